"""Imported by the fork server that children of the process pool are born from: it loads what the
first document would wait 0.5 s for (tokenizers, stopword lists), and 110 MB that children share.
Starts no thread.
"""

from graphmill.chunking import warm_up
from graphmill.extraction import extract
from graphmill.settings import ChunkSettings

# The splitter of another size shares the vocabulary, which is what takes the time.
warm_up(ChunkSettings.model_construct())
extract("The first document of a process does not wait for the lists of stopwords.")
