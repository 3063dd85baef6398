"""Questions to a Swedish building company with its answers, in English, from the package zaragoza-construction-faq.

A customer never asks as the FAQ does, so validation and test ask in other words: each of the questions below was
rewritten by hand, and its answer is that of the FAQ. Training has all questions as they stand in the FAQ.

Swedish Construction FAQ by Zaragoza AB, CC BY 4.0.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from examples.prepare.account import Account, run
from examples.prepare.intents import sameness
from sftkeras.handles import resolve

SOURCE = (
    "pypi:zaragoza-construction-faq==1.2.1/zaragoza_construction_faq/data/faq-en.jsonl"
    "#sha256=716a1999dd5ad8494c6a4e47d3510f017aa767ea9e55d3b348b0ad70b0e8d3d7"
)
VALIDATION = {
    "bygglov-018": "Which papers about fire safety must I hand in?",
    "attefall-006": "My little house would stand three metres from next door's plot. Is that allowed?",
    "rot-006": "I have used more of my renovation deduction than there is. What now?",
    "omvand-005": "I am a private person. Does the builder invoice me without VAT?",
    "tak-013": "We opened the roof and there is asbestos! How do we go on?",
    "kok-009": "Could you recommend an extractor for above my stove?",
    "badrum-014": "What size must the drain in the floor of my shower room be?",
    "isolering-006": "Is it possible to put insulation into my cellar?",
    "el-009": "What kind of fuse box should a house have?",
    "dolda-004": "How can I show that the seller hid a fault from me?",
    "verifiera-008": "How should the payments be arranged so that I run no risk?",
    "kostnad-006": "Would the builder give me a discount if I asked?",
    "dispute-005": "Until when can I complain about bad work?",
    "rut-019": "Somebody clears the snow off my house. Can I deduct that?",
    "strandskydd-006": "Who decides whether I may build close to the water after all?",
    "yrkesbevis-certifikat-002": "Who counts as a qualified electrician?",
}
TEST = {
    "bygglov-002": "I sent in my application yesterday. When will I hear whether I may build?",
    "bygglov-006": "Somebody told me that I need a KA. Who is that?",
    "bygglov-010": "The municipality said no to my plans. Is there anything I can do about it?",
    "attefall-002": "How many square metres may my attefallshus have?",
    "attefall-010": "Can I use the tax reduction for building an attefallshus?",
    "tillbyggnad-008": "We are adding a room. What about the danger of fire?",
    "rot-002": "Where on the bill do I see my ROT money?",
    "rot-014": "Do I have to write ROT into my tax return myself?",
    "rut-003": "Which jobs around the house can I use RUT for?",
    "rut-007": "My dad lives elsewhere. May he pay for the cleaning at my place with his RUT?",
    "fskatt-003": "How can I see whether a firm really has F-skatt?",
    "fskatt-007": "I want to start a firm. How do I get an F-skatt approval?",
    "omvand-001": "Explain omvänd skattskyldighet to me, please.",
    "personal-001": "Our foreman speaks of a personalliggare. What does he mean?",
    "tak-001": "How much money do I need for a new roof?",
    "tak-005": "How do I notice that my roof is at its end?",
    "tak-009": "How steep should a roof be in our climate?",
    "fasad-005": "What does it mean to insulate the facade from outside?",
    "kok-001": "I dream of a new kitchen. What would I pay?",
    "badrum-002": "For how many weeks will I be without a bathroom while you renovate it?",
    "badrum-006": "After how many years is a bathroom worn out?",
    "badrum-018": "For how long must a firm stand in for the bathroom that it built?",
    "isolering-002": "Which material keeps a house warmest?",
    "vvs-008": "I think water is leaking inside my wall. How can I find out?",
    "vvs-012": "What do the letters OVK stand for?",
    "el-001": "How expensive is it to have the wiring of a house done?",
    "el-005": "What number of outlets should there be in each room?",
    "vent-002": "When must I put a new filter into my ventilation?",
    "varme-002": "After how many years do I have to buy another heat pump?",
    "varme-006": "Tell me how one heats with pellets.",
    "dolda-008": "I measured a lot of radon in the house that I bought. Is the seller liable?",
    "dolda-012": "The cables in the house that we bought are ancient. Can I blame the seller?",
    "verifiera-004": "My builder took the money and does not answer any more. Help!",
    "verifiera-012": "The firm lets others do the job for it. Should that worry me?",
    "kontrakt-004": "I am a consumer. What form of agreement is right for me?",
    "kontrakt-008": "The contractor writes of ÄTA. What is this?",
    "kontrakt-012": "What happens to the deadline if there is a war or a flood?",
    "arbetsmiljo-008": "If somebody is hurt on the building site, whose duty was it to prevent that?",
    "kostnad-002": "I have three offers on my table. How do I see which is best?",
    "kostnad-014": "One firm is far cheaper than all others. Shall I take it?",
    "bbr-007": "May I simply ignore the building regulations?",
    "energi-001": "What is in the paper about the energy that a building uses?",
    "dispute-001": "I am quarrelling with my contractor. What are my steps?",
    "rot-029": "Is digging in my garden covered by ROT?",
    "marklov-rivningslov-001": "What is this marklov that I read about?",
    "radon-fuktskador-003": "There is too much radon in my house. How do I get rid of it?",
    "bergvarme-jordvarme-001": "Must I ask anybody before I drill for heat from the ground?",
    "tomtgrans-servitut-001": "What is a servitut on a property?",
}


def training(rows: Iterable[Mapping[str, Any]]) -> Account:
    """Gives every different question its first answer: no model can give several to one."""
    account, seen = Account("questions"), set()
    for row in rows:
        if sameness(row["q"]) in seen:
            account.left_out["ask as an earlier one"] += 1
        else:
            seen.add(sameness(row["q"]))
            account.rows.append({"question": row["q"], "answer": row["a"], "topic": row["category"]})
    return account


def rewritten(rows: Iterable[Mapping[str, Any]], questions: Mapping[str, str]) -> Account:
    """Gives questions in other words the answers of the FAQ.

    Args:
        rows: of the FAQ.
        questions: in other words, by the number of the question in the FAQ.
    """
    account = Account("questions in other words")
    answers = {row["id"]: row for row in rows}
    for number, question in questions.items():
        row = answers[number]
        account.rows.append({"question": question, "answer": row["a"], "topic": row["category"]})
    return account


def _make() -> dict[str, Account]:
    lines = resolve(SOURCE).read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return {
        "construction-faq-train.jsonl": training(rows),
        "construction-faq-validation.jsonl": rewritten(rows, VALIDATION),
        "construction-faq-test.jsonl": rewritten(rows, TEST),
    }


if __name__ == "__main__":
    sys.exit(run(__doc__, _make))
