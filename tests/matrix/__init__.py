"""`python -m tests.matrix`: programs of users, each of which passes or is refused.

A program is a task, the structure of its batches, what mixes or takes them, and a value
worked out apart from the library. It passes where the value is right. It is refused
where the library says so in a sentence before anything is trained; the refusals are
those that `docs/limits.md` lists. All else has failed.
"""
