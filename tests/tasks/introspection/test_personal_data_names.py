from __future__ import annotations

import pytest

from tasks.introspection.personal_data_names import (
    DAY,
    KINDS,
    NUMBER,
    TEXT,
    is_about_people,
    kind_named,
    lists_people,
    name_words,
    names_a_person,
)


@pytest.mark.parametrize(
    ("name", "form", "kind"),
    [
        ("email", TEXT, "email"),
        ("eMail", TEXT, "email"),
        ("customerEmailAddress", TEXT, "email"),
        ("e_mail", TEXT, "email"),
        ("Kundenemailadresse", TEXT, "email"),
        ("courriel", TEXT, "email"),
        ("correo_electrónico", TEXT, "email"),
        ("phone_number", TEXT, "phone"),
        ("mobileNumber", NUMBER, "phone"),
        ("telefonnummer_privat", TEXT, "phone"),
        ("numéro_téléphone", TEXT, "phone"),
        ("firstName", TEXT, "name"),
        ("FIRST_NAME", TEXT, "name"),
        ("nachname", TEXT, "name"),
        ("prénom", TEXT, "name"),
        ("apellidos", TEXT, "name"),
        ("geburtsdatum", DAY, "birth_date"),
        ("date_of_birth", TEXT, "birth_date"),
        ("fechaNacimiento", DAY, "birth_date"),
        ("straße", TEXT, "address"),
        ("zip", NUMBER, "address"),
        ("code_postal", TEXT, "address"),
        ("ip_address", TEXT, "ip"),
        ("iban", TEXT, "iban"),
        ("kontonummer", NUMBER, "iban"),
        ("creditCard", TEXT, "card"),
        ("ssn", TEXT, "national_id"),
        ("steuer_id", TEXT, "national_id"),
        ("numero_securite_sociale", TEXT, "national_id"),
        ("Jahresgehalt", NUMBER, "salary"),
        ("base_salary", NUMBER, "salary"),
        ("password_hash", TEXT, "secret"),
        ("mot_de_passe", TEXT, "secret"),
        ("remarks", TEXT, "free_text"),
        ("Bemerkung", TEXT, "free_text"),
        ("diagnosis", TEXT, "special"),
    ],
)
def test_a_column_that_is_named_so_is_suggested(name, form, kind):
    found = kind_named(name, form)

    assert found is not None
    assert found.name == kind


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("email_verified", TEXT),
        ("email_sent_at", DAY),
        ("email", DAY),
        ("is_phone", TEXT),
        ("phone_type", TEXT),
        ("has_email", NUMBER),
        ("microphone", TEXT),
        ("name", TEXT),
        ("filename", TEXT),
        ("product_name", TEXT),
        ("total", NUMBER),
        ("customer_id", NUMBER),
        ("amount", NUMBER),
        ("shipping", TEXT),
        ("nominal", TEXT),
        ("address_id", NUMBER),
        ("", TEXT),
    ],
)
def test_a_column_that_only_sounds_like_it_is_not(name, form):
    assert kind_named(name, form) is None


def test_words_are_found_in_every_way_of_writing():
    assert name_words("firstName") == name_words("FIRST_NAME") == name_words("First Name")
    assert name_words("HTTPServer2") == ("http", "server", "2")
    assert name_words("Größe") == ("groesse",)


def test_tables_of_people_are_told_from_others():
    assert is_about_people("crm_customers")
    assert is_about_people("Mitarbeiter")
    assert not is_about_people("products")


def test_what_identifies_a_person_is_told_by_its_name():
    for name in ("customer_id", "PatientNo", "customerid", "kunde", "insured_person_ref"):
        assert names_a_person(name)
    for name in ("order_id", "num_users", "customers", "created_by_user_id", "customer_type", "id"):
        assert not names_a_person(name)
    assert lists_people("crm_customers")
    assert not lists_people("customer_orders")


def test_each_kind_is_called_by_words_that_a_name_can_have():
    for kind in KINDS:
        for phrase in kind.phrases:
            assert phrase
            assert name_words(" ".join(phrase)) == phrase or phrase == ("ipv4",) or "ipv6" in phrase
