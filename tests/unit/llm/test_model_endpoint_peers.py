"""The simulated model answers LightRAG and GraphRAG in the forms that they read."""

import json
import re
from typing import Any

from tests.support.model_endpoint import Behaviour
from tests.support.model_endpoint.answers.answering import answer_to
from tests.support.model_endpoint.requests import ChatRequest, read_chat

TEXT = """Ada Lovelace worked with Charles Babbage in London. The Royal Society of London read it
in 1843, and Luigi Menabrea had written before.

It was published by Richard Taylor. Nothing else is named in here, notwithstanding everything."""
LIGHTRAG_SYSTEM = """---Role---
You are a Knowledge Graph Specialist responsible for extracting entities and relationships from the\
 `---Input Text---` section of user prompt.

---Instructions---
1. **Entity Extraction:** Rows such as entity<|#|>entity_name<|#|>entity_type<|#|>description.
"""
LIGHTRAG_USER = """---Task---
Extract entities and relationships from the `---Input Text---` section below.

---Input Text---
```
{text}
```

---Output---
"""
LIGHTRAG_SUMMARY = """---Role---
You are a Knowledge Graph Specialist, proficient in data curation and synthesis.

---Task---
Summarize.

---Input---
Entity Name: Ada Lovelace

Description List:

```
{text}
```

---Output---
"""
GRAPHRAG_EXTRACT = """
-Goal-
Given a text document that is potentially relevant to this activity and a list of entity types,\
 identify all entities of those types from the text.

######################
-Examples-
######################
Text:
The Verdantis's Central Institution is scheduled to meet.
######################
Output:
("entity"<|>CENTRAL INSTITUTION<|>ORGANIZATION<|>The Central Institution meets)
<|COMPLETE|>

######################
-Real Data-
######################
Entity_types: organization,person
Text: {text}
######################
Output:"""
GRAPHRAG_SUMMARY = """
You are a helpful assistant responsible for generating a comprehensive summary of the data provided\
 below.

#######
-Data-
Entities: "ADA LOVELACE"
Description List: {text}
#######
Output:
"""
GRAPHRAG_REPORT = """
You are an AI assistant that helps a human analyst to perform general information discovery.

# Example Input
Text:

Entities

5,VERDANT OASIS PLAZA,Verdant Oasis Plaza is the location of the Unity March

# Real Data

Use the following text for your answer. Do not make anything up in your answer.

Text:
{text}

The report should include the following sections:

Output:"""


def asked(*messages: tuple[str, str], **more: Any) -> ChatRequest:
    given = [{"role": role, "content": content} for role, content in messages]
    return read_chat({"model": "m", "messages": given, **more})


def answer(request: ChatRequest) -> str:
    return answer_to(request, Behaviour(), None).text


def as_graphmill_gets() -> Any:
    request = asked(("system", "# extract_graph"), ("user", f"<text>\n{TEXT}\n</text>"))
    return json.loads(answer(request))


def test_lightrag_gets_what_graphmill_gets_as_rows() -> None:
    request = asked(("system", LIGHTRAG_SYSTEM), ("user", LIGHTRAG_USER.format(text=TEXT)))
    assert request.step == "lightrag_extract"
    *lines, end = answer(request).split("\n")
    assert end == "<|COMPLETE|>"
    rows = [line.split("<|#|>") for line in lines]
    expected = as_graphmill_gets()
    assert [row[1:] for row in rows if row[0] == "entity"] == [
        [entity["title"], entity["type"], entity["description"]] for entity in expected["entities"]
    ]
    assert [(row[1], row[2], row[4]) for row in rows if row[0] == "relation"] == [
        (one["source"], one["target"], one["description"]) for one in expected["relationships"]
    ]


def graphrag_records(result: str) -> list[list[str]]:
    """As GraphRAG reads them (graph_extractor.py)."""
    records = [re.sub(r"^\(|\)$", "", record.strip()) for record in result.split("##")]
    return [record.split("<|>") for record in records if record and record != "<|COMPLETE|>"]


def test_graphrag_gets_what_graphmill_gets_as_records() -> None:
    request = asked(("user", GRAPHRAG_EXTRACT.format(text=TEXT)))
    assert request.step == "graphrag_extract"
    records = graphrag_records(answer(request))
    expected = as_graphmill_gets()
    assert [record[1] for record in records if record[0] == '"entity"'] == [
        entity["title"].upper() for entity in expected["entities"]
    ]
    assert [
        (record[1], record[2], float(record[4]))
        for record in records
        if record[0] == '"relationship"'
    ] == [
        (one["source"].upper(), one["target"].upper(), one["strength"])
        for one in expected["relationships"]
    ]


def test_gleanings_add_up_to_two_that_were_not_said() -> None:
    lightrag: set[int] = set()
    graphrag: set[int] = set()
    for number in range(12):
        text = f"{TEXT} Everything ends after {number} more."
        messages = [("system", LIGHTRAG_SYSTEM), ("user", LIGHTRAG_USER.format(text=text))]
        first = answer(asked(*messages))
        more = answer(asked(*messages, ("assistant", first), ("user", "---Task---\nMore.")))
        rows = [line.split("<|#|>")[1] for line in more.split("\n") if line.startswith("entity")]
        assert not any(f"entity<|#|>{title}<|#|>" in first for title in rows)
        lightrag.add(len(rows))

        user = ("user", GRAPHRAG_EXTRACT.format(text=text))
        first = answer(asked(user))
        more = answer(asked(user, ("assistant", first), ("user", "MANY entities were missed.")))
        # GraphRAG puts the one directly behind the other.
        both = graphrag_records(first + more)
        titles = [record[1] for record in both if record[0] == '"entity"']
        assert len(set(titles)) == len(titles)
        graphrag.add(len(titles) - answer(asked(user)).count('("entity"'))
    assert lightrag == graphrag == {0, 1, 2}


def test_summaries_are_plain_text_made_of_the_descriptions() -> None:
    for prompt, step in (
        (LIGHTRAG_SUMMARY, "lightrag_summary"),
        (GRAPHRAG_SUMMARY, "graphrag_summary"),
    ):
        one = asked(("user", prompt.format(text='["She wrote."]')))
        other = asked(("user", prompt.format(text='["She dreamt."]')))
        assert one.step == other.step == step
        assert "She wrote." in answer(one)
        assert answer(one) != answer(other)
        assert "Knowledge Graph Specialist" not in answer(one)


def test_graphrag_s_reports_are_about_the_real_data() -> None:
    schema = {"name": "CommunityReportResponse", "schema": {"type": "object"}}
    request = asked(
        ("user", GRAPHRAG_REPORT.format(text="\n5,ADA LOVELACE,Ada Lovelace wrote notes.\n")),
        response_format={"type": "json_schema", "json_schema": schema},
    )
    assert request.step == "graphrag_report"
    report = json.loads(answer(request))
    assert set(report) == {"title", "summary", "rating", "rating_explanation", "findings"}
    assert "ADA LOVELACE" in report["title"]
    assert "VERDANT" not in answer(request)
