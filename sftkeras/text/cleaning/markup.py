"""HTML in texts: tags and comments are dropped, entities become the characters they stand for."""

from __future__ import annotations

from html.entities import html5, name2codepoint

import tensorflow as tf

from sftkeras.text.tokenizers.rows import one_in_each_row

# Tags inside words, such as <b>, leave nothing behind; all others, such as <br>, a space.
_INLINE = (
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|data|del|dfn|em|font|i|ins|kbd|label|mark|q|s|samp|small|span|strike|strong"
    "|sub|sup|time|tt|u|var|wbr"
)
_OTHERS = (
    "address|area|article|aside|audio|base|blockquote|body|br|button|canvas|caption|center|col|colgroup|datalist|dd"
    "|details|dialog|dir|div|dl|dt|embed|fieldset|figcaption|figure|footer|form|frame|frameset|h[1-6]|head|header"
    "|hgroup|hr|html|iframe|img|input|legend|li|link|main|map|menu|meta|meter|nav|noscript|object|ol|optgroup|option"
    "|output|p|param|picture|pre|progress|script|section|select|slot|source|style|summary|svg|table|tbody|td|template"
    "|textarea|tfoot|th|thead|title|tr|track|ul|video"
)


def _tag(names: str) -> str:
    return rf"""</?(?:{names})(?:\s(?:[^<>"']|"[^"<]*"|'[^'<]*')*)?/?>"""


_NOTHING = rf"(?is)<!--.*?-->|{_tag(_INLINE)}"
_SPACE = (
    r"(?is)<script(?:\s[^>]*)?>.*?</script\s*>|<style(?:\s[^>]*)?>.*?</style\s*>|<![a-z][^<>]*>"
    rf"|{_tag(_OTHERS)}"
)
_DECIMAL = r"&#[0-9]{1,7};"
_HEXADECIMAL = r"&#[xX][0-9A-Fa-f]{1,6};"
# The names of HTML 4, and the apostrophe's; HTML 5 moved two of them to other characters.
_CODES = {name: ord(html5[f"{name};"]) for name in (*name2codepoint, "apos")}
_NAMED = f"&(?:{'|'.join(sorted(_CODES))});"

PATTERN = rf"(?:{_NOTHING})|(?:{_SPACE})|{_DECIMAL}|{_HEXADECIMAL}|(?-i:{_NAMED})"


def replacement(pieces: tf.Tensor, at_end: tf.Tensor) -> tf.Tensor:
    """Replacements of those pieces [pieces] string that are markup; the others unchanged."""
    is_entity = tf.strings.regex_full_match(pieces, "&[^&;]+;")
    pieces = tf.where(is_entity, _characters(pieces), pieces)
    pieces = tf.where(~is_entity & tf.strings.regex_full_match(pieces, _SPACE), " ", pieces)
    return tf.where(~is_entity & tf.strings.regex_full_match(pieces, _NOTHING), "", pieces)


def _characters(pieces: tf.Tensor) -> tf.Tensor:
    """The character of each entity; the pieces that are none as they are."""
    is_decimal, is_hexadecimal = (tf.strings.regex_full_match(pieces, it) for it in (_DECIMAL, _HEXADECIMAL))
    hexadecimal = tf.strings.join(["0x", tf.strings.regex_replace(pieces, "[&#xX;]", "")])
    decimal = tf.strings.regex_replace(pieces, "[&#;]", "")
    digits = tf.where(is_decimal, decimal, tf.where(is_hexadecimal, hexadecimal, "0"))
    codes = tf.cast(tf.strings.to_number(digits, tf.float32), tf.int32)  # which reads 0x, and is exact below 2²⁴
    names = tf.constant([f"&{name};" for name in _CODES])
    same = pieces[:, tf.newaxis] == names  # [pieces, names]
    is_named = tf.reduce_any(same, 1)
    codes = tf.where(is_named, tf.gather(list(_CODES.values()), tf.argmax(tf.cast(same, tf.int8), 1)), codes)
    # There is no character 0 in HTML.
    characters = tf.strings.unicode_encode(one_in_each_row(tf.where(codes == 0, 0xFFFD, codes)), "UTF-8")
    return tf.where(is_named | is_decimal | is_hexadecimal, characters, pieces)
