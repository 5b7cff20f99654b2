"""The search index of accounts: one row for each word of their names."""

from sqlalchemy import Column, ForeignKey, Table

from adapters.sql.metadata import CodePointString, Id, metadata

name_words = Table(
    "name_words",
    metadata,
    Column("word", CodePointString(80), primary_key=True),
    Column("user_id", Id, ForeignKey("accounts.id"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)
