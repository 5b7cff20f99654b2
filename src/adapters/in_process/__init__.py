"""Answers of other modules in the same process, one file for each module that asks.

An adapter takes what the other module offers, never its store. If the other module is created later, because it asks
questions too, the adapter takes a function that returns the answer when it is needed. If an answer already has the form of
the question, there is no adapter: the wiring passes the object itself, without another call in between.
"""
