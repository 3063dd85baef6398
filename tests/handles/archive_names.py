"""Parts of the names of archive members, harmless and not."""

from hypothesis import strategies as st

PARTS = st.sampled_from(["..", ".", "", "a", "b.txt", "C:", "\\", "..\\", "~", " ", "…", "a" * 40]) | st.text(
    max_size=5
)
