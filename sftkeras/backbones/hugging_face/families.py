"""The architectures that are known. A new one is a module beside this one, and a line here."""

from __future__ import annotations

from sftkeras.backbones.hugging_face.albert import ALBERT
from sftkeras.backbones.hugging_face.bert import BERT
from sftkeras.backbones.hugging_face.deberta import DEBERTA
from sftkeras.backbones.hugging_face.distilbert import DISTILBERT
from sftkeras.backbones.hugging_face.electra import ELECTRA
from sftkeras.backbones.hugging_face.roberta import ROBERTA, XLM_ROBERTA

FAMILIES = {family.model_type: family for family in (BERT, ELECTRA, ALBERT, ROBERTA, XLM_ROBERTA, DISTILBERT, DEBERTA)}
