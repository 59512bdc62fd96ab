"""The names of properties that a pattern may have: those that Java 17 and every later one knows.

Source: the documentation of `java.util.regex.Pattern` and of `java.lang.Character.UnicodeScript`.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GENERAL = _words(
    "L Lu Ll Lt Lm Lo LC LD L1 M Mn Me Mc N Nd Nl No Z Zs Zl Zp C Cc Cf Co Cs Cn P Pd Ps Pe Pc Po "
    "Pi Pf S Sm Sc Sk So"
)
"""General categories of Unicode, with Java's own `LD` and `L1`."""

ASCII_CLASSES = _words(
    "Lower Upper ASCII Alpha Digit Alnum Punct Graph Print Blank Cntrl XDigit Space"
)

JAVA_METHODS = _words(
    "javaLowerCase javaUpperCase javaAlphabetic javaIdeographic javaTitleCase javaDigit "
    "javaDefined javaLetter javaLetterOrDigit javaJavaIdentifierStart javaJavaIdentifierPart "
    "javaUnicodeIdentifierStart javaUnicodeIdentifierPart javaIdentifierIgnorable javaSpaceChar "
    "javaWhitespace javaISOControl javaMirrored"
)

BINARY = _words(
    "ALPHABETIC IDEOGRAPHIC LETTER LOWERCASE UPPERCASE TITLECASE PUNCTUATION CONTROL WHITE_SPACE "
    "DIGIT HEX_DIGIT JOIN_CONTROL NONCHARACTER_CODE_POINT ASSIGNED"
)
"""After `Is`, in any case of letters."""

SCRIPTS = _words(
    "COMMON LATIN GREEK CYRILLIC ARMENIAN HEBREW ARABIC SYRIAC THAANA DEVANAGARI BENGALI GURMUKHI "
    "GUJARATI ORIYA TAMIL TELUGU KANNADA MALAYALAM SINHALA THAI LAO TIBETAN MYANMAR GEORGIAN "
    "HANGUL ETHIOPIC CHEROKEE CANADIAN_ABORIGINAL OGHAM RUNIC KHMER MONGOLIAN HIRAGANA KATAKANA "
    "BOPOMOFO HAN YI OLD_ITALIC GOTHIC DESERET INHERITED TAGALOG HANUNOO BUHID TAGBANWA LIMBU "
    "TAI_LE LINEAR_B UGARITIC SHAVIAN OSMANYA CYPRIOT BRAILLE BUGINESE COPTIC NEW_TAI_LUE "
    "GLAGOLITIC TIFINAGH SYLOTI_NAGRI OLD_PERSIAN KHAROSHTHI BALINESE CUNEIFORM PHOENICIAN "
    "PHAGS_PA NKO SUNDANESE BATAK LEPCHA OL_CHIKI VAI SAURASHTRA KAYAH_LI REJANG LYCIAN CARIAN "
    "LYDIAN CHAM TAI_THAM TAI_VIET AVESTAN EGYPTIAN_HIEROGLYPHS SAMARITAN MANDAIC LISU BAMUM "
    "JAVANESE MEETEI_MAYEK IMPERIAL_ARAMAIC OLD_SOUTH_ARABIAN INSCRIPTIONAL_PARTHIAN "
    "INSCRIPTIONAL_PAHLAVI OLD_TURKIC BRAHMI KAITHI MEROITIC_HIEROGLYPHS MEROITIC_CURSIVE "
    "SORA_SOMPENG CHAKMA SHARADA TAKRI MIAO CAUCASIAN_ALBANIAN BASSA_VAH DUPLOYAN ELBASAN GRANTHA "
    "PAHAWH_HMONG KHOJKI LINEAR_A MAHAJANI MANICHAEAN MENDE_KIKAKUI MODI MRO OLD_NORTH_ARABIAN "
    "NABATAEAN PALMYRENE PAU_CIN_HAU OLD_PERMIC PSALTER_PAHLAVI SIDDHAM KHUDAWADI TIRHUTA "
    "WARANG_CITI AHOM ANATOLIAN_HIEROGLYPHS HATRAN MULTANI OLD_HUNGARIAN SIGNWRITING ADLAM "
    "BHAIKSUKI MARCHEN NEWA OSAGE TANGUT MASARAM_GONDI NUSHU SOYOMBO ZANABAZAR_SQUARE "
    "HANIFI_ROHINGYA OLD_SOGDIAN SOGDIAN DOGRA GUNJALA_GONDI MAKASAR MEDEFAIDRIN ELYMAIC "
    "NANDINAGARI NYIAKENG_PUACHUE_HMONG WANCHO YEZIDI CHORASMIAN DIVES_AKURU KHITAN_SMALL_SCRIPT"
)
"""After `Is`, `script=` or `sc=`, in any case of letters."""

_GENERAL_KEYS = ("gc", "general_category")
_SCRIPT_KEYS = ("sc", "script")


def is_property(name: str) -> bool:
    """Whether Java knows the property; its blocks, which differ by version, are none here."""
    key, equals, value = name.partition("=")
    if equals:
        scripted = key.lower() in _SCRIPT_KEYS and value.upper() in SCRIPTS
        return scripted or (key.lower() in _GENERAL_KEYS and value in GENERAL)
    if name.startswith("Is"):
        return name[2:] in GENERAL or name[2:].upper() in BINARY | SCRIPTS
    return name in GENERAL | ASCII_CLASSES | JAVA_METHODS


def similar_names() -> tuple[str, ...]:
    """Names to suggest for one that is unknown."""
    scripts = (f"Is{name.title()}" for name in sorted(SCRIPTS))
    return (*sorted(GENERAL | ASCII_CLASSES), *scripts)
