from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from examples.prepare.spam import labelled, mail_text, without_markup

HEADERS = b"Received: from mail.example by host.example\nX-Spam-Status: Yes\n"


def test_subject_and_text_are_kept_and_all_other_headers_left_out():
    mail = (
        b"From x@y Thu Aug 22 13:17:22 2002\n" + HEADERS + b"Subject: Hello\n  there\n\nDear\tfriend,\n\nread this.\n"
    )
    assert mail_text(mail) == "Hello there\nDear friend, read this."


def test_character_sets_and_transfer_encodings_are_undone():
    chinese = base64.b64encode("你好".encode("gb2312"))
    mail = b"Subject: =?utf-8?b?" + base64.b64encode("免费".encode()) + b"?=\n"
    mail += b"Content-Type: text/plain; charset=gb2312\nContent-Transfer-Encoding: base64\n\n" + chinese
    assert mail_text(mail) == "免费\n你好"


def test_wrong_or_unknown_character_set_does_not_stop_the_script():
    assert mail_text(b"Subject: a\nContent-Type: text/plain; charset=no-such\n\ncaf\xe9") == "a\ncafé"
    assert mail_text(b"Subject: =?no-such?q?a?=\nContent-Type: text/plain; charset=utf-8\n\ncaf\xe9").endswith("café")


def test_subject_may_hold_bytes_that_no_mail_should():
    assert mail_text(b"Subject: wins \xa37,000\n\ncaf\xe9") == "wins £7,000\ncafé"
    assert mail_text("Subject: 免费\n\n免费".encode()) == "免费\n免费"


def test_plain_part_is_taken_before_html_and_attachments_are_left_out():
    mail = (
        b'Subject: s\nContent-Type: multipart/mixed; boundary="B"\n\n'
        b"--B\nContent-Type: text/plain\nContent-Disposition: attachment; filename=notes.txt\n\nattached\n"
        b"--B\nContent-Type: text/html\n\n<p>marked <b>up</b></p>\n"
        b"--B\nContent-Type: text/plain\n\nplain\n"
        b"--B--\n"
    )
    assert mail_text(mail) == "s\nplain"


def test_markup_is_stripped_also_where_the_mail_says_it_is_plain():
    mail = b"Subject: s\nContent-Type: text/plain\n\n<html><style>p {}</style><p>Buy &amp; save<br>now</p></html>"
    assert mail_text(mail) == "s\nBuy & save now"


def test_less_than_signs_of_a_plain_text_stay():
    assert mail_text(b"Subject: s\n\nif a < b: write <x@y.example>") == "s\nif a < b: write <x@y.example>"


def test_repeated_and_empty_mails_are_counted():
    account = labelled(
        [("spam-1", b"Subject: a\n\nb"), ("hard-ham-1", b"X: y\n\n"), ("easy-ham-2", b"Subject: a\n\nb\n")]
    )
    assert account.rows == [{"text": "a\nb", "label": "spam", "group": "spam-1"}]
    assert account.left_out == {"have no text": 1, "repeat an earlier one": 1}


@given(st.binary(max_size=200))
def test_any_bytes_become_text_that_can_be_written(mail):
    mail_text(mail).encode("utf-8")
    mail_text(b"Content-Type: text/html\n\n<html>" + mail).encode("utf-8")


@given(st.text("<>!-/[] ab=\"'&;scriptyle", max_size=60))
def test_broken_markup_is_read_to_its_end(html):
    without_markup(html)
