"""The answers to one module's questions by another one that is in this process: a file for each module that asks.

An adapter takes what the other module offers, never its store. Where the other module is made later, as it asks in turn, the
adapter takes a function that gives the answer when it is needed. A module whose answer has the form of the question needs no
adapter: the wiring gives its object, and nothing stands between.
"""
