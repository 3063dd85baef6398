"""Tags such as B-person I-person O to entities, and how many of them are right. Knows neither models nor files."""


def entities(tags):
    """The entities of a sentence: first word, word after the last, and label.

    An I that cannot go on with what stands before it begins an entity, as seqeval reads such tags.
    """
    found: list = []
    before = "O"
    for word, tag in enumerate(tags):
        prefix, _, label = tag.partition("-")
        if prefix == "I" and before[2:] == label:
            found[-1] = (found[-1][0], word + 1, label)
        elif prefix != "O":
            found.append((word, word + 1, label))
        before = tag
    return found


def entity_f1(truth, answers):
    """F1 over the entities of all sentences; one is right if its place and its label are.

    Args:
        truth, answers: for each sentence, its entities: start, end and label.
    """
    pairs = [(set(true), set(found)) for true, found in zip(truth, answers, strict=True)]
    right = sum(len(true & found) for true, found in pairs)
    return 2 * right / max(1, sum(len(true) + len(found) for true, found in pairs))
