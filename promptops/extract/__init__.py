from promptops.extract.summary import summarize
