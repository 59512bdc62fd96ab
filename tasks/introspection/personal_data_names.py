"""Which columns are named as personal data is, in English, German, French and Spanish.

Promise: a name suggests, and proves nothing; whoever uses a suggestion says that it is one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.model import Classification

__all__ = [
    "KINDS",
    "PersonalData",
    "is_about_people",
    "kind_named",
    "lists_people",
    "name_words",
    "names_a_person",
    "words_of",
]

_CONFIDENTIAL, _RESTRICTED = Classification.CONFIDENTIAL, Classification.RESTRICTED
TEXT, NUMBER, DAY, DOCUMENT, BYTES = "text", "number", "day", "document", "bytes"
"""What kinds of values personal data of a kind comes as."""


def words_of(text: str) -> frozenset[str]:
    """The words of a text, for lists that are easier to read without quotes."""
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class PersonalData:
    """A kind of personal data.

    Attributes:
        name: Its name, such as `email`.
        word: One of it, with its article.
        words: Several of it.
        classification: How sensitive it is.
        forms: What its values come as.
        phrases: What columns of it are called: words in lower case without accents.
    """

    name: str
    word: str
    words: str
    classification: Classification
    forms: frozenset[str]
    phrases: tuple[tuple[str, ...], ...]


def _kind(
    name: str, said: tuple[str, str], classification: Classification, forms: str, phrases: str
) -> PersonalData:
    return PersonalData(
        name,
        *said,
        classification,
        frozenset(forms.split()),
        tuple(tuple(phrase.split()) for phrase in phrases.split(",")),
    )


KINDS: tuple[PersonalData, ...] = (
    _kind(
        "secret", ("a password or key", "passwords or keys"), _RESTRICTED, "text bytes",
        "password,passwd,passphrase,secret,api key,private key,access token,refresh token,"
        "passwort,kennwort,geheimnis,mot de passe,motdepasse,contrasena,clave secreta",
    ),
    _kind(
        "card", ("a card number", "card numbers"), _RESTRICTED, "text number",
        "card number,card no,card num,credit card,debit card,cc number,cc num,pan,cvv,cvc,"
        "kartennummer,kreditkarte,kreditkartennummer,numero carte,carte bancaire,carte credit,"
        "numero tarjeta,tarjeta credito,tarjeta",
    ),
    _kind(
        "iban", ("a bank account", "bank accounts"), _RESTRICTED, "text number",
        "iban,bank account,account iban,kontonummer,bankverbindung,bankkonto,compte bancaire,"
        "rib,cuenta bancaria,numero cuenta,ccc",
    ),
    _kind(
        "national_id", ("a national id", "national ids"), _RESTRICTED, "text number",
        "ssn,social security,social security number,national id,national identifier,nino,"
        "national insurance,tax id,tin,passport,passport number,passport no,driver license,"
        "drivers license,driving licence,sozialversicherungsnummer,sv nummer,steuer id,"
        "steuernummer,steueridentifikationsnummer,ausweis,ausweisnummer,personalausweis,"
        "reisepass,fuehrerschein,numero securite sociale,securite sociale,nir,insee,passeport,"
        "carte identite,dni,nie,nif,cedula,pasaporte,seguridad social,codice fiscale,bsn,pesel,"
        "cpf,personnummer,ahv nummer",
    ),
    _kind(
        "salary", ("a salary", "salaries"), _RESTRICTED, "text number",
        "salary,salaries,wage,wages,base pay,gross pay,net pay,compensation,remuneration,payroll,"
        "gehalt,jahresgehalt,monatsgehalt,lohn,stundenlohn,einkommen,bruttolohn,nettolohn,verguetung,"
        "salaire,revenu,paie,salario,sueldo,nomina,ingresos,income",
    ),
    _kind(
        "special", ("health, faith or origin", "words of health, faith or origin"), _RESTRICTED,
        "text document",
        "diagnosis,diagnoses,medical,medical history,blood type,blood group,disability,religion,"
        "ethnicity,sexual orientation,diagnose,krankheit,blutgruppe,behinderung,konfession,"
        "diagnostic,maladie,groupe sanguin,handicap,diagnostico,enfermedad,grupo sanguineo,"
        "discapacidad",
    ),
    _kind(
        "email", ("an e-mail address", "e-mail addresses"), _CONFIDENTIAL, "text",
        "email,e mail,mail,emails,email address,mailadresse,emailadresse,courriel,correo,"
        "correo electronico",
    ),
    _kind(
        "ip", ("an IP address", "IP addresses"), _CONFIDENTIAL, "text",
        "ip,ip address,ip addr,ipaddress,ipv4,ipv6,ip adresse,ipadresse,adresse ip,direccion ip",
    ),
    _kind(
        "phone", ("a phone number", "phone numbers"), _CONFIDENTIAL, "text number",
        "phone,telephone,mobile,mobile number,cell,cellphone,phone number,fax,tel,msisdn,telefon,"
        "telefonnummer,handy,handynummer,mobilnummer,rufnummer,mobiltelefon,numero telephone,"
        "telefono,movil,celular",
    ),
    _kind(
        "birth_date", ("a date of birth", "dates of birth"), _CONFIDENTIAL, "text number day",
        "birth date,birthdate,birthday,date of birth,dob,birth year,year of birth,born,born on,"
        "geburtsdatum,geburtstag,geburtsjahr,geboren,geboren am,date naissance,date de naissance,"
        "naissance,ne le,fecha nacimiento,fecha de nacimiento,nacimiento",
    ),
    _kind(
        "address", ("an address", "addresses"), _CONFIDENTIAL, "text number document",
        "address,addresses,address line,street,street name,house number,zip,zip code,zipcode,"
        "postcode,post code,postal code,adresse,anschrift,strasse,hausnummer,hausnr,plz,"
        "postleitzahl,wohnort,rue,voie,code postal,numero rue,direccion,calle,domicilio,"
        "codigo postal",
    ),
    _kind(
        "name", ("a person's name", "names of people"), _CONFIDENTIAL, "text",
        "first name,firstname,last name,lastname,full name,fullname,given name,family name,"
        "middle name,maiden name,birth name,surname,forename,nickname,username,user name,"
        "display name,contact name,customer name,client name,patient name,employee name,"
        "person name,owner name,member name,holder name,cardholder,account holder,contact person,"
        "vorname,nachname,familienname,geburtsname,kundenname,benutzername,ansprechpartner,"
        "vollstaendiger name,prenom,nom,nom famille,nom de famille,nom complet,nombre,"
        "nombre completo,apellido,apellidos,primer apellido,segundo apellido",
    ),
    _kind(
        "free_text", ("free text, which may name people", "free text"), _CONFIDENTIAL,
        "text document",
        "note,notes,comment,comments,remark,remarks,free text,freetext,message,message body,body,"
        "feedback,complaint,transcript,bemerkung,bemerkungen,notiz,notizen,anmerkung,anmerkungen,"
        "kommentar,kommentare,freitext,nachricht,commentaire,commentaires,remarque,remarques,"
        "observation,observations,observaciones,comentario,comentarios,nota,notas,mensaje",
    ),
)  # fmt: skip
"""The most sensitive first; a column is of the first kind that its name suggests."""

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SHORTEST_COMPOUND = 7
"""A word of German holds others: Kundentelefonnummer. Shorter ones are in words by chance."""
_ABOUT_THE_VALUE = words_of(
    "id ids type typ kind count status flag verified confirmed valid format template enabled "
    "at on sent length len domain language provider url uri art anzahl tipo"
)
"""Last words of columns that tell something of the value and do not have it: `email_verified`."""
_QUESTIONS = frozenset({"is", "has", "had", "can", "num", "count", "n", "ist", "hat", "est"})
_PEOPLE = words_of(
    "person persons people customer customers client clients user users employee employees staff "
    "patient patients member members contact contacts subscriber subscribers student students "
    "applicant applicants citizen citizens guest guests driver drivers lead leads personne "
    "personnes utilisateur utilisateurs employe employes salarie salaries kunde kunden benutzer "
    "mitarbeiter personen patienten mitglied mitglieder kontakt kontakte persona personas cliente "
    "clientes usuario usuarios empleado empleados paciente pacientes"
)
"""Words of tables whose rows are people: there a `name` is somebody's."""
_IDS = words_of("id no nr num number key code ref uuid nummer numero codigo cle schluessel")
_WHO_DID_IT = words_of("by created updated modified changed assigned approved von par por")
"""Words of columns that name who did something to the row, and not whom it is about."""


def name_words(name: str) -> tuple[str, ...]:
    """The words of a name in snake_case, camelCase or prose, in lower case, without accents."""
    folded = name.replace("ß", "ss")
    for umlaut, plain in (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("Ä", "Ae"), ("Ö", "Oe")):
        folded = folded.replace(umlaut, plain)
    folded = folded.replace("Ü", "Ue")
    bare = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", folded)
        if not unicodedata.combining(letter)
    )
    return tuple(word.lower() for word in _WORDS.findall(bare))


def kind_named(name: str, form: str) -> PersonalData | None:
    """The kind of personal data that a column of that name and form of values may have."""
    words = name_words(name)
    if not words or words[0] in _QUESTIONS:
        return None
    for kind in KINDS:
        if form not in kind.forms:
            continue
        for phrase in kind.phrases:
            if _has(words, phrase) and (words[-1] not in _ABOUT_THE_VALUE or words[-1] in phrase):
                return kind
    return None


def is_about_people(table: str) -> bool:
    """Whether a table of that name has a row for each person."""
    return not _PEOPLE.isdisjoint(name_words(table))


def lists_people(table: str) -> bool:
    """Whether a row of a table of that name is a person: `crm_customers`, not `customer_orders`."""
    return not _PEOPLE.isdisjoint(name_words(table)[-1:])


def names_a_person(column: str) -> bool:
    """Whether a column of that name has what identifies a person: `customer_id`, `patient`."""
    words = name_words(column)
    if not words or words[0] in _QUESTIONS or not _WHO_DID_IT.isdisjoint(words):
        return False
    *first, last = words
    if last in _IDS:
        return not _PEOPLE.isdisjoint(first[-1:])
    # Several are counted or listed, and identify nobody.
    one = {last.removesuffix(ending) for ending in _IDS} - {f"{last[:-1]}s"}
    return not _PEOPLE.isdisjoint(one)


def _has(words: Sequence[str], phrase: Sequence[str]) -> bool:
    size = len(phrase)
    if any(tuple(words[at : at + size]) == tuple(phrase) for at in range(len(words) - size + 1)):
        return True
    joined = "".join(phrase)
    if joined in words:
        return True
    return len(joined) >= _SHORTEST_COMPOUND and any(
        word.startswith(joined) or word.endswith(joined) for word in words
    )
