"""Words that made-up organisations, studies and texts are put together from."""


def _list(words: str) -> list[str]:
    return words.split()


KINDS = ("University of {}", "{} Institute of Technology", "Institute for Language, {}", "{} College", "{} Research")
PLACES = _list(
    "Northlake Southbank Eastmere Westholm Ashford Birchwood Calder Dunmore Elmstead Fairhaven Glenrock Harwick "
    "Inverlea Juniper Kestrel Larkfield Marlow Newhall Oakdale Penrose Quayside Ravens Silverton Thornbury Umber "
    "Valemont Wexley Yarrow Zelland Ambleside"
)
SIDES = ("", " North", " South", " East", " West", " Upper", " Lower", " Old", " New", " Central")
COUNTRIES = _list("SE NO GB DE FR IN KE BR JP CA US NG PL KR AU")
GIVEN = _list("Ada Ben Cleo Dana Emil Fay Gus Hana Ivo June Kofi Lena Milo Nora Omar Pia")
FAMILY = _list("Lowell Hart Reyes Sund Okoye Brandt Ito Silva Novak Berg Khan Moreau Adler Osei Lind Park")
AIMS = (
    "We measure how well readers tell generated news from written news",
    "We compare detectors of generated text with one another",
    "We look for bias in continuations that name occupations, places and faiths",
    "We search generated texts for personal data and for long passages of the training set",
    "We study repetition, coherence and the use of pronouns in long texts",
    "We teach a course on language models, whose students probe a size",
    "We study how the model could be misused for spam and reviews, and which safeguards hold",
    "We count errors of fact in summaries of public reports",
)
WAYS = ("by hand", "by rule", "with 200 prompts each", "at several temperatures", "against texts by people", "in pairs")
ENDS = (
    "The results are compared with the size before it.",
    "Texts stay on our servers and are deleted after a year.",
    "A preprint and the code follow.",
    "An ethics board has seen the plan.",
    "Annotators know what they read.",
    "We report every month.",
)
STUDIES = tuple(f"{aim}, {way}. {end}" for aim in AIMS for way in WAYS for end in ENDS)
TEAMS = ("Two researchers and a doctoral student.", "One group of six, all employed here.", "", "Eight annotators.")
REASONS = (
    "Begin with the smaller size and report what you find.",
    "Tell how the texts are kept, and who can read them.",
    "The study does not need this many tokens.",
    "An ethics review comes first, as readers are shown the texts.",
)
WORDS = _list(
    "the of and to in a that it was for on with as his they at be this from have or by one had not but what all were "
    "when we there can an your which their said if do will each about how up out them then she many some so these "
    "would other into has more her two like him see time could no make than first been its who now people my made "
    "over did down only way find use may water long little very after words called just where most know"
)
