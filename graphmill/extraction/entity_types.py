"""Entity types from cheap cues: words within a name, and the word before it. "" where none is met.

The types are GraphRAG's four: organization, person, geo, event.
"""

ORGANIZATION = "organization"
PERSON = "person"
GEO = "geo"
EVENT = "event"
UNKNOWN = ""
FAST_ENTITY_TYPES = (ORGANIZATION, PERSON, GEO, EVENT)

_ORGANIZATION_WORDS = frozenset(
    """
    INC LTD LIMITED LLC LLP PLC CORP CORPORATION COMPANY COMPANIES CO GMBH AG KG KGAA UG SARL SAS
    SPA SRL NV BV AB OY ASA KK PTY OOO ООО ОАО ЗАО ПАО UNIVERSITY UNIVERSITÄT UNIVERSITÉ
    UNIVERSIDAD UNIVERSITÀ UNIVERSITEIT UNIVERSIDADE UNIWERSYTET UNIVERZITA УНИВЕРСИТЕТ COLLEGE
    INSTITUTE INSTITUT INSTITUTO ISTITUTO INSTITUTION ИНСТИТУТ SCHOOL ACADEMY AKADEMIE ACADÉMIE
    ACADEMIA BANK BANQUE BANCO BANCA БАНК MINISTRY MINISTERIUM MINISTÈRE MINISTERIO MINISTERO
    МИНИСТЕРСТВО DEPARTMENT AGENCY AMT BUNDESAMT BUREAU COMMISSION COMMITTEE COUNCIL PARLIAMENT
    SENATE CONGRESS COURT TRIBUNAL PARTY PARTEI PARTI PARTIDO PARTITO ASSOCIATION VEREIN SOCIETY
    FEDERATION FOUNDATION STIFTUNG FONDATION FUNDACIÓN FONDAZIONE ORGANIZATION ORGANISATION CLUB
    FC ORCHESTRA CHOIR MUSEUM MUSÉE MUSEO LIBRARY HOSPITAL KRANKENHAUS RECORDS STUDIOS PICTURES
    ENTERTAINMENT PRODUCTIONS MEDIA PRESS VERLAG PUBLISHERS PUBLISHING GROUP GRUPPE GROUPE GRUPO
    HOLDING HOLDINGS PARTNERS ASSOCIATES AIRLINES AIRWAYS MOTORS INDUSTRIES TECHNOLOGIES
    LABORATORIES LABORATORY NETWORK BROADCASTING POLICE ARMY NAVY BOARD OFFICE AUTHORITY
    GOVERNMENT UNION INSURANCE TRUST FUND LEAGUE CHURCH
    """.split()
)
_EVENT_WORDS = frozenset(
    """
    WAR WARS BATTLE SIEGE OLYMPICS GAMES CUP CHAMPIONSHIP CHAMPIONSHIPS FESTIVAL CONFERENCE SUMMIT
    REVOLUTION ELECTION ELECTIONS TOURNAMENT CRISIS EARTHQUAKE HURRICANE MASSACRE UPRISING
    REBELLION CAMPAIGN EXPO EXHIBITION CEREMONY INVASION GENOCIDE HOLOCAUST RENAISSANCE CRUSADE
    KRIEG WELTKRIEG SCHLACHT GUERRE BATAILLE GUERRA BATALLA BATTAGLIA OORLOG ВОЙНА БИТВА
    """.split()
)
_GEO_LAST_WORDS = frozenset(
    """
    RIVER LAKE MOUNTAIN MOUNTAINS HILL HILLS ISLAND ISLANDS STREET AVENUE ROAD BOULEVARD LANE
    SQUARE COUNTY CITY TOWN VILLAGE VALLEY BAY SEA OCEAN GULF DESERT PROVINCE STATE STATES
    DISTRICT REGION PENINSULA HARBOR HARBOUR COAST FOREST CANYON CREEK FALLS BRIDGE AIRPORT
    STATION KINGDOM REPUBLIC EMPIRE BOROUGH TOWNSHIP PARISH TERRITORY STRASSE STRAßE PLATZ FLUSS
    SEE STADT BEACH PLAZA
    """.split()
)
_GEO_FIRST_WORDS = frozenset(
    """
    RIVER LAKE LAC LAGO MOUNT MT MONT MONTE CAPE GULF BAY ISLE ISLAND RIO RÍO RUE AVENUE CALLE VIA
    PLAZA PIAZZA PORT FORT REPUBLIC KINGDOM STATE CITY COUNTY PROVINCE REPUBLIK REPÚBLICA
    RÉPUBLIQUE РЕКА ОЗЕРО ГОРОД УЛИЦА
    """.split()
)
# Of two cues the first met counts; for scripts without spaces the ending tells.
_CJK_ENDINGS = (
    ("株式会社", ORGANIZATION),
    ("有限公司", ORGANIZATION),
    ("公司", ORGANIZATION),
    ("集团", ORGANIZATION),
    ("集團", ORGANIZATION),
    ("大学", ORGANIZATION),
    ("大學", ORGANIZATION),
    ("銀行", ORGANIZATION),
    ("银行", ORGANIZATION),
    ("委员会", ORGANIZATION),
    ("委員会", ORGANIZATION),
    ("研究所", ORGANIZATION),
    ("대학교", ORGANIZATION),
    ("은행", ORGANIZATION),
    ("회사", ORGANIZATION),
    ("战争", EVENT),
    ("戦争", EVENT),
    ("전쟁", EVENT),
    ("省", GEO),
    ("市", GEO),
    ("県", GEO),
    ("县", GEO),
    ("河", GEO),
    ("川", GEO),
    ("山", GEO),
    ("시", GEO),
    ("도", GEO),
)
_CJK_PREFIXES = (("株式会社", ORGANIZATION),)

# Taken off a name, which then is a person's.
_HONORIFICS = frozenset(
    """
    mr mrs ms dr prof professor sir hon messrs herr frau doktor mme mlle monsieur madame
    mademoiselle sra srta señor señora sig sigra dott signor signora dhr mevr mevrouw meneer
    господин госпожа г-н г-жа
    """.split()
)
# Words of other meaning outside their language (Pan American, Don Juan, the initial M.).
_HONORIFICS_OF = {
    "en": frozenset(("miss", "rev")),
    "fr": frozenset(("m",)),
    "es": frozenset(("sr", "don", "doña")),
    "pt": frozenset(("sr", "dom", "dona")),
    "pl": frozenset(("pan", "pani")),
    "cs": frozenset(("pan", "paní")),
    "sk": frozenset(("pan", "pani")),
}
# Kept in the name (they are how the person is called), and it is a person's.
_RANKS = frozenset(
    """
    KING QUEEN PRINCE PRINCESS EMPEROR EMPRESS POPE PRESIDENT SENATOR GOVERNOR GENERAL COLONEL
    CAPTAIN MAJOR LIEUTENANT SERGEANT ADMIRAL JUDGE JUSTICE BISHOP ARCHBISHOP CARDINAL LORD LADY
    SAINT CHANCELLOR SHEIKH SULTAN TSAR
    """.split()
)
# Lower-case nouns before a name that say that a person follows.
ROLES = frozenset(
    """
    president singer songwriter actor actress author writer poet novelist director producer
    composer musician guitarist drummer rapper artist painter sculptor architect engineer inventor
    scientist physicist chemist mathematician biologist psychologist philosopher historian
    economist sociologist lawyer attorney judge senator governor mayor minister chancellor king
    queen prince princess emperor pope bishop general colonel captain admiral journalist editor
    photographer footballer player coach manager chairman chairwoman founder son daughter brother
    sister wife husband father mother Präsident Kanzler Sänger Schauspieler Autor Regisseur
    président chanteur acteur auteur écrivain presidente cantante escritor
    """.split()
)
_PLACE_PREPOSITIONS = frozenset(("in", "near"))
_NO_PLACE_ENDINGS = ("ISH", "ESE", "ISM")


def is_honorific(word: str, language: str) -> bool:
    """Whether a word before a name says no more than that a person follows."""
    lower = word.rstrip(".").lower()
    return lower in _HONORIFICS or lower in _HONORIFICS_OF.get(language, ())


def type_by_words(title: str) -> str:
    """By the words of a title."""
    words = title.replace(".", "").split(" ")
    first, last = words[0], words[-1]
    if len(words) > 1:
        if last in _EVENT_WORDS or first in _EVENT_WORDS:
            return EVENT
        if first in _GEO_FIRST_WORDS or last in _GEO_LAST_WORDS:
            return GEO
        if not _ORGANIZATION_WORDS.isdisjoint(words):
            return ORGANIZATION
        if not _EVENT_WORDS.isdisjoint(words):
            return EVENT
        if first in _RANKS:
            return PERSON
    elif title > "\u2e80":
        for prefix, kind in _CJK_PREFIXES:
            if title.startswith(prefix):
                return kind
        for ending, kind in _CJK_ENDINGS:
            if title.endswith(ending) and len(title) > len(ending):
                return kind
    return UNKNOWN


def type_by_word_before(title: str, word: str) -> str:
    """By the word before a mention, in its own case."""
    if word in ROLES:
        return PERSON
    if word in _PLACE_PREPOSITIONS and not title.endswith(_NO_PLACE_ENDINGS):
        return GEO
    return UNKNOWN
