"""The wordings of the questions over tours. Each task has more than 200 templates (`phrasings.py`)."""

from __future__ import annotations

from agentcvr_graph.scripts.generators.procedural.tours.phrasings import Phrasings
from agentcvr_graph.scripts.generators.procedural.tours.words import BUILDERS, DEEDS, ITEMS, PLACES

WHICH = ("Which video", "Which tour", "Which of the tours", "Which of these videos", "Which group")
IN_WHICH = ("In which video", "In which tour", "In which of the tours", "In which of these recordings", "On which tour")
STOP = Phrasings(
    {"p": PLACES, "q": PLACES},
    (
        WHICH,
        (" comes to", " gets to", " reaches", " visits", " sees", " goes to"),
        (" {p} before {q}?", " {p} earlier than {q}?", " {p} first and {q} later?", " {q} only after {p}?"),
    ),
    (
        ("One tour", "Only one of the tours", "Just one group", "A single video"),
        (" has", " shows", " offers"),
        (" {p} before {q}", " {p} ahead of {q}", " {q} later than {p}"),
        (": which one?", ". Which one is it?", ". Find it."),
    ),
)
SPOT = Phrasings(
    {"p": PLACES, "x": DEEDS},
    (
        IN_WHICH,
        (" is there somebody who {x}", " do we see that somebody {x}", " can one watch how somebody {x}"),
        (
            " in {p}?",
            " while the group is in {p}?",
            " during the visit to {p}?",
            " at the stop in {p}?",
            " inside {p}?",
        ),
    ),
    (
        ("Somebody {x}", "A person {x}", "There is somebody who {x}", "We see how somebody {x}"),
        (" in {p}", " during the stop in {p}", ", and this happens in {p}", " while we are in {p}"),
        (": which tour is it?", ": which video shows it?", ". In which tour?", ". Which video is meant?"),
    ),
    (
        ("The guide takes us to {p}", "A group arrives in {p}", "They stop in {p}", "The visitors stand in {p}"),
        (", where somebody {x}", ", and there somebody {x}", " and see how somebody {x}", ", in which somebody {x}"),
        (": which tour is it?", ": which video shows it?", ". In which tour?", ". Which video is meant?"),
    ),
)
PAIR = Phrasings(
    {"p": PLACES, "x": DEEDS, "b": BUILDERS},
    (
        ("In which videos", "In which tours", "In which of the tours", "In which of these recordings"),
        (
            " is there somebody in {p} who {x}",
            " do we see in {p} that somebody {x}",
            " does somebody in {p} appear who {x}",
        ),
        (" and hear", " and learn", " and get to know"),
        (" that {b} built it?", " that it was built by {b}?", " that we owe it to {b}?"),
    ),
    (
        (
            "Somebody {x} in {p}",
            "In {p} somebody {x}",
            "We see how somebody in {p} {x}",
            "There is somebody in {p} who {x}",
        ),
        (
            ", and we hear that {b} built it",
            ", and the guide says that {b} built it",
            ", and {b} built it, we are told",
        ),
        (": in which tours?", ". Which tours are meant?", ": which videos?", ". Choose all such videos."),
    ),
    (
        (
            "The guide says that {b} built {p}",
            "We learn that {b} built {p}",
            "{p} was built by {b}",
            "They owe {p} to {b}",
        ),
        (", and somebody there {x}", ", where somebody {x}", " and somebody inside it {x}"),
        (": in which tours?", ". Which tours are meant?", ": which videos?", ". Choose all such videos."),
    ),
)
COST = Phrasings(
    {"p": PLACES},
    (
        ("Sort the tours", "Put the videos in order", "Arrange the tours", "Order the videos", "Rank the tours"),
        (
            " by the price of a ticket",
            " by the cost of a ticket",
            " by the entrance fee",
            " by the coins one has to pay",
        ),
        (" in {p}", " to enter {p}", " for {p}", " at the stop in {p}"),
        (", cheapest first.", ", from cheap to dear.", ", the lowest first.", ", least money first."),
    ),
    (
        ("A family wants to see {p} and has little money.", "Somebody would like to visit {p} but is poor."),
        (
            " Which tour would you take first, second and so on?",
            " Sort the tours.",
            " In which order are the tours good?",
        ),
    ),
)
LOCK = Phrasings(
    {"i": ITEMS},
    (
        ("What is the number of", "Which number is on", "What number has", "Give the number of", "Tell the number of"),
        (" the locker", " the locked box", " the safe"),
        (
            " at the place where {i} is",
            " in the place where {i} is kept",
            " where {i} lies",
            " of the place that holds {i}",
        ),
        (", as a guide says?", ", if the guide is right?", ", as we are told?", "?"),
    ),
    (
        ("A guide says where {i} is.", "We hear where to find {i}.", "One guide knows the place of {i}."),
        (" What number is on the locker there?", " Which number does the locker at that place have?"),
        ("", " Look at that tour only.", " It is on the same tour."),
    ),
)
RULE = Phrasings(
    {"p": PLACES},
    (
        ("Which tour", "Which of the tours", "Which group", "Which of these groups", "Which one of the groups"),
        (
            " may go into {p}?",
            " may enter {p}?",
            " is allowed inside {p}?",
            " need not stay outside {p}?",
            " gets to see {p} from the inside?",
            " can walk through {p}?",
            " does not have to wait outside {p}?",
        ),
    ),
    (
        (
            "On which tour",
            "In which video",
            "On which of the tours",
            "In which of these recordings",
            "With which group",
        ),
        (" may visitors", " are visitors allowed to", " can one", " may a guest"),
        (
            " enter {p}?",
            " go into {p}?",
            " look at {p} from the inside?",
            " set foot in {p}?",
            " walk through {p}?",
        ),
    ),
    (
        (
            "A family would like to see {p} from the inside",
            "Two friends want to go into {p}",
            "Some children want to set foot in {p}",
            "My parents hope to walk through {p}",
        ),
        (", which only one guide permits", ", but not every guide lets them", ", and only one group may"),
        (
            ": which tour should they take?",
            ". Which tour is right for them?",
            ". Which one lets them in?",
            ". Which tour do they choose?",
        ),
    ),
    (
        (
            "Visitors must not enter {p}",
            "{p} stays closed to the visitors",
            "One only sees {p} from outside",
            "The guests have to wait outside {p}",
        ),
        (" on all tours but one", ", with one exception", ", except in a single case"),
        (
            ": which tour is it?",
            ". Which tour is the exception?",
            ". On which tour may they go in?",
            ". Which one is different?",
        ),
    ),
)
CHAIN = Phrasings(
    {"p": PLACES},
    (
        (
            "A trail starts in {p}",
            "A treasure hunt begins in {p}",
            "The first hint is in {p}",
            "A visitor starts in {p}",
            "We set out from {p}",
            "They begin their search in {p}",
        ),
        (
            " and leads from one tour to another",
            ", and each hint leads to another tour",
            ", and one has to follow every hint",
        ),
        (
            ": which number is on the box at the end?",
            ". What number does the last box have?",
            ". Which number does one find in the end?",
            ". At which number does it end?",
        ),
    ),
    (
        (
            "Which number is on the box",
            "What is the number of the box",
            "What number has the box",
            "Give the number of the box",
            "Tell the number of the box",
        ),
        (
            " to which the hint in {p} leads",
            " that one reaches from {p}",
            " at the end of the trail from {p}",
            " that is found by the hints that start in {p}",
            " to which one is sent from {p}",
        ),
        ("?", ", step by step?", " in the end?", ", from tour to tour?"),
    ),
    (
        (
            "Whoever is in {p} is sent on",
            "From {p} the visitors are sent elsewhere",
            "The guide in {p} sends us away",
            "In {p} we learn where to go next",
        ),
        (", to another tour", ", perhaps more than once", ", until there is a box"),
        (
            ": which number is on the box there?",
            ". What number is on the box that one finds?",
            ". Which number waits at the end?",
            ". What is the number of that box?",
        ),
    ),
)
