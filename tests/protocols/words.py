"""Words that messages of a mission are made of, for ``synthesis``: names, codes and phrases, written here."""

from __future__ import annotations


def _each(words: str) -> list[str]:
    return words.split()


_CALLED = (
    "HAWK HERON OTTER LYNX BADGER WOLF RAVEN EAGLE FALCON VIPER COBRA TIGER LION BEAR FOX BISON ORCA SHARK PANTHER"
)
_SPELT = (
    "ALPHA BRAVO CHARLIE DELTA ECHO FOXTROT GOLF HOTEL INDIA JULIET KILO LIMA MIKE NOVEMBER OSCAR PAPA QUEBEC ROMEO"
)
_OTHERS = "CONVOY PATROL MEDIC BASE TOC HQ CP UN TEAM TRUCK VEHICLE DRONE SCOUT ENGINEER GATE RESCUE LOGISTICS LIAISON"
NAMES = _each(f"{_CALLED} {_SPELT} {_OTHERS}")
TEAMS = _each("Cyan Green Red Yellow Blue White Orange Magenta Maroon Purple Teal Brown")
ROLES = [*["Team Member"] * 6, "Team Lead", "HQ", "Sniper", "Medic", "Forward Observer", "RTO", "K9"]
SYSTEMS = [
    *(f"ATAK-CIV {version}" for version in ("4.10.0.5", "5.0.0.7", "5.1.0.12", "5.2.0.4", "5.3.0.9", "5.4.0.16")),
    *(f"ATAK-MIL {version}" for version in ("4.10.0", "5.2.0", "5.3.0")),
    *(f"WinTAK-CIV {version}" for version in ("4.10.0.162", "5.0.0.169", "5.4.0.148")),
    *(f"iTAK {version}" for version in ("2.8.0.747", "2.10.0", "2.12.3")),
    "TAK Tracker 1.6.2",
    "WebTAK 4.8.2",
]
_GALAXY = _each("G981U1 G991U G998B S901U S908E S911B S918U S921B S928B T575 T636B A536B A546B G525F G736B S711B S916B")
DEVICES = [
    *(f"SAMSUNG SM-{model}" for model in _GALAXY),
    *(f"GOOGLE PIXEL {model}" for model in ("5", "6", "6 PRO", "7", "7A", "7 PRO", "8", "8 PRO", "9")),
    *(f"iPhone{model}" for model in ("12,1", "13,2", "14,5", "15,2", "16,1")),
    "SONIM XP10",
    "GETAC ZX70",
    "CROSSCALL STELLAR-X5",
    "PANASONIC FZ-N1",
]
GROUND_TYPES = [
    *["a-f-G-U-C"] * 5,
    *_each("a-f-G-U-C-I a-f-G-E-V a-f-G-E-V-C a-f-G-U-C-R a-f-G a-f-A-M-H a-f-S a-n-G a-f-A-M-F-Q a-f-G-E-V-A"),
]
MARKER_TYPES = _each("a-h-G a-u-G a-n-G a-f-G a-h-G-E-V-A-T a-h-G-U-C-I a-u-G-U-C b-m-p-s-m b-m-p-w-GOTO b-m-p-s-p-i")
_CODES = (
    "SFGPUCI SFGPUCV SFGPUCRV SFGPEVC SFGP SFSPCLFF SFSPC SFAPMH SFAPMF SFGPUSM SFGPUCE SNGPEVC SUSP SUAP SHGP SUGP"
)
SIDCS = [f"{code:-<15}" for code in _CODES.split()]
_ROLES_OF_PARTNERS = "alpha bravo charlie delta un unhq mission who redcross civpol norbat indbat ghanbatt finbatt"
_COUNTRIES = (
    "usa gbr deu fra ita esp pol nld nor swe fin dnk irl aut ind npl bgd pak gha rwa eth ken ury bra arg idn fji"
)
PARTNERS = _each(f"{_ROLES_OF_PARTNERS} {_COUNTRIES}")
UNITS = _each(
    "ops patrols cell convoys watch map desk hq north south east west bn1 bn2 coy-a coy-b medical engineers air sea "
    "recce logistics liaison field"
)
POLICIES = {
    "NATO": ["NATO UNCLASSIFIED", "NATO RESTRICTED", "UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET"],
    "UN": ["UNCLASSIFIED", "CONFIDENTIAL", "STRICTLY CONFIDENTIAL"],
    "EU": ["EU RESTRICTED", "RESTREINT UE", "CONFIDENTIEL UE"],
    "MISSION": ["UNCLASSIFIED", "RESTRICTED", "CONFIDENTIAL", "SECRET"],
    "PUBLIC": ["UNMARKED", "OPEN"],
}
SAYINGS = [
    "Road is clear to the bridge.",
    "Moving to checkpoint {n}, arrival in {n} minutes.",
    "Copied.",
    "Roger, standing by.",
    "Two vehicles stopped at grid {g}, white pick-up, no weapons seen.",
    "Request permission to proceed to the village.",
    "Convoy of {n} trucks passed the crossing at {t}.",
    "Patrol returned to base, nothing to report.",
    "Water and medical supplies delivered to the camp, {n} families.",
    "Shots heard to the north of the town, distance about {n} km.",
    "Crowd of {n} people at the market, situation calm.",
    "Need an interpreter at the gate.",
    "Radio check. Over.",
    "Fuel for {n} hours left, returning.",
    "Mine reported near the school, area is being marked.",
    "Ceasefire violation reported by the local authorities at {t}.",
    "Meeting with the mayor at {t}.",
    "All stations, weather is getting worse, visibility below {n} metres.",
    "The river will rise within {n} hours. Leave the low town.",
    "Do not use water from the well until further notice.",
    "Please confirm your position and status.",
    "We have {n} injured, need medical evacuation at grid {g}.",
]
EVENTS = [
    "Flood Warning",
    "Fire",
    "Earthquake",
    "Evacuation",
    "Cholera outbreak",
    "Unexploded ordnance",
    "Landslide",
    "Storm warning",
    "911 Alert",
    "Ring The Bell",
    "In Contact",
    "Geo-fence Breached",
]
INJURIES = [
    "gunshot left leg",
    "blast, burns to both hands",
    "fracture of the right arm",
    "head injury, unconscious",
    "dehydration",
]
