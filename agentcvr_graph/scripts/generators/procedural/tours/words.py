"""The vocabulary of tours: places, what people do there, and what guides say.

Everything has several names. A video shows or says one of them, a question may use another, so comparing words does not
find the answer: somebody who "waters the plants" is asked for as the one who "gives the flowers a drink".
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """Something with several names."""

    sign: str
    """How on-screen text names it."""
    names: tuple[str, ...]
    """The first is the one that videos show or say; a deed is named in the third person."""


PLACES = (
    Term("KITCHEN", ("the kitchen", "the room where meals are made", "the cooks' room")),
    Term("GARDEN", ("the garden", "the place with the flower beds", "the green part")),
    Term("HARBOUR", ("the harbour", "the place where ships lie", "the port")),
    Term("LIBRARY", ("the library", "the room full of books", "the reading room")),
    Term("MARKET", ("the market", "the square with the stalls", "the place where traders meet")),
    Term("TOWER", ("the tower", "the highest building", "the building with the most stairs")),
    Term("STABLE", ("the stable", "the house of the horses", "the place where horses sleep")),
    Term("CELLAR", ("the cellar", "the vault below the house", "the rooms under the ground")),
    Term("CHAPEL", ("the chapel", "the place of prayer", "the little church")),
    Term("MILL", ("the mill", "the place where grain is ground", "the house where flour comes from")),
    Term("THEATRE", ("the theatre", "the house with the stage", "the place where actors work")),
    Term("SCHOOL", ("the school", "the place where children learn", "the house of the teachers")),
    Term("WORKSHOP", ("the workshop", "the place where things are mended", "the room full of tools")),
    Term("PRISON", ("the prison", "the house with the cells", "the place for thieves")),
)
DEEDS = (
    Term("WATER THE PLANTS", ("waters the plants", "gives the flowers a drink", "empties a can over the roses")),
    Term("WIND THE CLOCK", ("winds the clock", "sets the hands to the right hour", "keeps the time going")),
    Term("FEED THE BIRDS", ("feeds the birds", "throws crumbs to the pigeons", "shares bread with the sparrows")),
    Term("LIGHT A CANDLE", ("lights a candle", "strikes a match", "brings a small flame to the wick")),
    Term("SWEEP THE FLOOR", ("sweeps the floor", "works with a broom", "brushes the dust away")),
    Term("RING THE BELL", ("rings the bell", "pulls the rope until it chimes", "calls everybody with a loud chime")),
    Term("PAINT THE WALL", ("paints the wall", "gives the bricks another colour", "works with a wide brush")),
    Term("CARRY A LADDER", ("carries a ladder", "brings something to climb on", "holds long wooden steps")),
    Term("PLAY THE DRUM", ("plays the drum", "beats a rhythm", "makes music with two sticks")),
    Term("FOLD THE FLAG", ("folds the flag", "packs the banner away", "takes the colours of the country down")),
    Term("WASH THE WINDOWS", ("washes the windows", "wipes the glass", "makes the panes shine")),
    Term("COUNT THE MONEY", ("counts the money", "adds up the coins", "checks the cash")),
    Term("SHARPEN A KNIFE", ("sharpens a knife", "hones a blade", "makes an edge keen")),
    Term("CATCH A FISH", ("catches a fish", "has luck with the rod", "pulls a trout in")),
    Term("READ A LETTER", ("reads a letter", "studies the mail", "looks through a message from home")),
    Term("SEW A COAT", ("sews a coat", "uses needle and thread", "mends some clothes")),
    Term("PICK APPLES", ("picks apples", "gathers fruit", "takes the harvest from a tree")),
    Term("BAKE BREAD", ("bakes bread", "puts dough into the oven", "makes fresh loaves")),
    Term("SHOE A HORSE", ("shoes a horse", "fits iron to a hoof", "looks after the feet of a mare")),
    Term("TAKE A NAP", ("takes a nap", "falls asleep", "rests with closed eyes")),
)
BUILDERS = (
    Term("KING", ("the king", "the ruler", "the man with the crown")),
    Term("MONKS", ("the monks", "the brothers of the order", "holy men")),
    Term("SAILORS", ("the sailors", "men of the sea", "the crew of a ship")),
    Term("SOLDIERS", ("the soldiers", "the army", "men in uniform")),
    Term("FARMERS", ("the farmers", "people of the land", "those who grew the corn")),
    Term("STUDENTS", ("the students", "young people from the university", "learners")),
    Term("MERCHANTS", ("the merchants", "rich traders", "people who bought and sold")),
    Term("NUNS", ("the nuns", "the sisters of the convent", "holy women")),
)
ITEMS = (
    Term("MAP", ("the map", "the drawing of the land")),
    Term("LANTERN", ("the lantern", "the old light")),
    Term("CROWN", ("the crown", "the golden headpiece")),
    Term("FLUTE", ("the flute", "the wooden pipe")),
    Term("SWORD", ("the sword", "the long blade")),
    Term("DIARY", ("the diary", "the private notebook")),
    Term("COMPASS", ("the compass", "the thing that points north")),
    Term("MASK", ("the mask", "the false face")),
    Term("RING", ("the ring", "the piece for a finger")),
    Term("SEAL", ("the seal", "the stamp for wax")),
)
EMBLEMS = (
    Term("LION", ("a lion", "the king of the animals")),
    Term("EAGLE", ("an eagle", "the largest bird of prey")),
    Term("ROSE", ("a rose", "the flower with thorns")),
    Term("KEY", ("a key", "the tool that opens a lock")),
    Term("ANCHOR", ("an anchor", "the iron that holds a ship")),
    Term("STAR", ("a star", "a small light of the night sky")),
    Term("SNAKE", ("a snake", "the animal without legs")),
    Term("WHEEL", ("a wheel", "the round part of a cart")),
)
"""What is painted on doors."""
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
"""How guides name a tour, by its number."""
SIGNPOSTS = (
    "now we come to {p}.",
    "this is {p}.",
    "our next stop is {p}.",
    "here is {p}.",
    "please follow me into {p}.",
)
CHATTER = (
    "please stay together.",
    "mind your head.",
    "we have a little time.",
    "you may take pictures.",
    "it is warm today.",
)
