"""A few dozen plain sentences to train the tiny model on, written for this purpose."""

from __future__ import annotations

from stealthrl_tui.sandbox.tokenizer import TURN_END, encode, render_chat

PROMPT = "Tell me something about the harbour."

SENTENCES = (
    "The harbour is quiet in the morning.",
    "The boats come home before the rain.",
    "The old pier is made of stone and wood.",
    "The wind comes from the north in the winter.",
    "The light on the hill shows the way home.",
    "The water in the harbour is cold and clear.",
    "The birds sit on the stones near the water.",
    "The children run along the pier after school.",
    "The baker opens the shop before the sun is up.",
    "The men on the boats mend the nets in the evening.",
    "The ferry comes twice a day in the summer.",
    "The road to the harbour goes over the hill.",
    "The stones on the beach are round and grey.",
    "The bell on the pier rings when the ferry comes.",
    "The smell of bread goes down to the water.",
    "The rain on the roof is loud in the night.",
    "The nets dry on the wall when the sun is out.",
    "The house by the pier has a blue door.",
    "The waves break on the stones in the storm.",
    "The dog waits on the pier for the last boat.",
    "The sea is green near the shore and blue far out.",
    "The moon stands over the water in the night.",
    "The boats are painted in the spring.",
    "The market by the harbour opens on the first day of the week.",
    "The lamp in the window burns until the morning.",
    "The fish are sold on the pier before noon.",
    "The hill behind the houses is green in the spring.",
    "The storm came in the night and went before the morning.",
    "The teacher walks along the shore in the evening.",
    "The snow on the pier melts in the sun.",
    "The sails are white and the boats are red.",
    "The island is near when the air is clear.",
    "The water comes up to the wall twice a day.",
    "The letters come with the ferry in the morning.",
    "The wood for the winter stands by the wall.",
    "The song of the men comes over the water.",
)

HELD_OUT = (
    "The ferry waits near the pier in the storm.",
    "The boats stand in the harbour in the winter.",
    "The sun comes up over the sea in the morning.",
    "The door of the house is open in the summer.",
)


def lesson(sentence: str) -> tuple[list[int], int]:
    """A chat that ends with `sentence` as tokens, and how many of the last of them are the answer to be learnt."""
    answer = [*encode(sentence), TURN_END]
    return [*render_chat([{"role": "user", "content": PROMPT}]), *answer], len(answer)
