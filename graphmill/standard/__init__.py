"""Method standard: a graph built by a model, as pure functions.

Each step has a function that builds the question and one that reads the answer; who asks is
graphmill.llm. What was decided, and why: docs/decisions/prompts-and-answers.md.
"""
