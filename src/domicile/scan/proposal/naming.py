"""What a column's and a table's name say of a category: the evidence of names. Pure.

Names are split into lower-case words at underscores, blanks and capitals, and joined by ``_``. A
rule's pattern must fit whole words. Rules are in order: the first that fits, is of the right type
and is not contradicted by the values counts.
"""

# ruff: noqa: E501 - one rule, one line where it fits

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["NAME_RULES", "NameRule", "is_about_people", "is_about_places", "is_about_things",
           "name_rules", "words"]  # fmt: skip

_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PERSON = (
    r"users?|usr|customers?|clients?|members?|people|persons?|patients?|employees?|staff|contacts?"
    r"|accounts?|profiles?|authors?|drivers?|riders?|students?|teachers?|subscribers?|leads?"
    r"|passengers?|guests?|hosts?|partners?|applicants?|candidates?|residents?|citizens?|voters?"
    r"|kunden?|benutzer|mitarbeiter|clientes?|usuarios?|utenti|utente|utilisateurs?|personnes?"
    r"|buyers?|sellers?|owners?|recipients?|senders?|players?|donors?|tenants?|addresses|address"
    r"|posts?|comments?|messages?|reviews?"
)
_PLACE = (
    r"cit(?:y|ies)|countr(?:y|ies)|states|regions?|provinces|airports?|stores?|places?|venues?"
    r"|stations?|geo(?:names)?|zip_?codes?|postal_?codes?|timezones?|locations|branches|warehouses?"
)
_THING = (
    r"products?|books?|items?|sku|catalog(?:ue)?|settings?|themes?|templates?|roles?|permissions?"
    r"|currenc(?:y|ies)|languages|categor(?:y|ies)|genres?|artists?|albums?|tracks?|movies?|films?"
    r"|machines?|jobs?|migrations?|warehouse|securities|parts?|plans?|features?|versions?|advisor"
    r"(?:y|ies)|models?|brands?|courses?|types?|compan(?:y|ies)|organi[sz]ations?|vendors?|suppliers?"
    r"|configurations?|configs?"
)
_NOT_THE_THING = (
    r"_(?:sent|verified|verification|confirmed|confirmation|opt_?in|opt_?out|enabled|disabled|count"
    r"|template|subject|status|type|at|verified_at|format|notifications?|digest|bounced|valid"
    r"|required|allowed|ids?|code|version|kind|flag|visible|display|limit|policy|frequency|model"
    r"|expires|expiry|expiration|estimated|approved|karma|score|rate|size|length|position|order|count)$"
)
_OFF = re.compile(_NOT_THE_THING)


@dataclass(frozen=True, slots=True)
class NameRule:
    """A pattern of names and the category that it tells.

    families: of types that it may have (`columns.family`). check: the detector that this share
    (``least``) of the values must pass; none where the name is enough. people: only in a table
    about people. off: whether words such as ``_sent`` or ``_count`` behind it turn it off.
    """

    category: str
    pattern: re.Pattern[str]
    families: str
    check: str = ""
    least: float = 0.5
    people: bool = False
    off: bool = True


def _rule(  # noqa: PLR0913 - a line of the table below
    category: str, pattern: str, families: str = "S", check: str = "", least: float = 0.5,
    *, people: bool = False, off: bool = True,
) -> NameRule:  # fmt: skip
    compiled = re.compile(rf"(?:^|_)(?:{pattern})(?:_|$)")
    return NameRule(category, compiled, families, check, least, people, off)


_WHO = (
    r"(?:author|sender|recipient|owner|customer|client|passenger|patient|guest|contact|member|user"
    r"|employee|driver|holder|cardholder|beneficiary|billing|shipping|buyer|seller|payer|payee"
    r"|artist_legal|emergency_contact|manager|doctor|student)"
)

NAME_RULES: tuple[NameRule, ...] = (
    # S text, N numbers, D dates, I network addresses, U uuid, J documents, A arrays, G points,
    # B bytes. Secrets first: what resets an e-mail address or a password is neither.
    _rule("user.device.device_id", r"(?:push|device|fcm|apns|gcm)_?tokens?|advertising_id|idfa|gaid"
          r"|aaid|android_id|udid|device_(?:id|uuid|fingerprint|serial)|imsi|imei|(?:wifi_)?mac"
          r"(?:_addr(?:ess)?)?", "SUBNI", "secret", off=False),
    _rule("user.authorization.credentials", r"(?:remember|reset|password_reset|reset_password"
          r"|access|refresh|auth|api|activation|confirmation|bearer|oauth|login|invite|recovery)_?"
          r"(?:token|key|secret|code|digest)s?|user_activation_key|api_?keys?|private_?key"
          r"|secret(?:_key)?|(?:otp|totp|mfa|two_factor)(?:_?[a-z]*)?_?(?:secret|codes?|key)?"
          r"|(?:backup|recovery)_codes?|pin|security_answer", "SUBAJ", "secret", 0.5, off=False),
    _rule("user.authorization.password", r"(?:encrypted_|hashed_)?(?:password|passwd|pwd|passwort)"
          r"(?:_?(?:hash|digest|salt|crypt))?|user_pass|pass|passhash|kennwort|contrasena",
          "SB", "secret", off=True),
    _rule("user.device.cookie_id", r"cookies?(?:_id)?|session_?(?:id|key|token|cookie)|visitor_?id"
          r"|idvisitor|anonymous_id|client_uuid|ga_id|session_cookie", "SUB", "secret", off=False),
    _rule("user.contact.email", r"e_?mails?(?:_?addr(?:ess)?)?|mail|mailbox|correo(?:_electronico)?"
          r"|courriel|email_normalized|posta_elettronica", "SA", "email", 0.4),
    _rule("user.contact.fax_number", r"fax(?:_?(?:number|no))?", "SN", "phone", 0.5),
    _rule("user.contact.phone_number", r"(?:[a-z]+_)?(?:phone|telephone|mobile|cell|cellphone"
          r"|msisdn|handy|whatsapp|tele?fon[oe]?|telefon|tel|celular|portable)\d?"
          r"(?:_?(?:number|num|no|nr|work|home|mobile|cell|primary|other))?", "SN", "phone", 0.5),
    _rule("user.device.ip_address", r"(?:[a-z]+_)*(?:ip|ip_?addr(?:ess)?|ipv[46]|lastip|remote_addr"
          r"|clientip|ip_?v[46]_?addr(?:ess)?)", "SI", "ip", 0.6),
    _rule("user.device", r"user_?agent|useragent|agent|browser_agent|ua", "S", "agent", 0.3),
    _rule("user.financial.credit_card", r"(?:credit_?|debit_?)?card_?(?:number|num|no|pan)"
          r"|cc_?(?:number|num|no)|ccnum|pan|credit_card", "SN", "card", 0.5, off=False),
    _rule("user.financial.credit_card", r"(?:card_?)?last_?(?:4|four)(?:_digits)?", "SN", "last4"),
    _rule("user.financial.bank_account", r"iban(?:_number)?", "S", "iban", 0.5),
    _rule("user.financial.bank_account", r"(?:bank_?)?account_?(?:number|no|num|nr|iban)"
          r"|bank_account|routing_?(?:number|no)?|sort_code|kontonummer|counterparty_account"
          r"|bank_number|clabe|bsb", "SN", "account", off=False),
    _rule("user.government_id.passport_number", r"(?:[a-z]+_)?passport(?:_?(?:number|no|nr|num))?",
          "S", "document"),
    _rule("user.government_id.drivers_license_number", r"(?:drivers?_?)?licen[cs]e_?(?:number|no"
          r"|num|id)|drivers?_?licen[cs]e|fuehrerschein", "S", "document", off=False),
    _rule("user.government_id.vehicle_registration", r"(?:number|license|licence)_?plates?"
          r"|plate_?(?:number|no)?|vehicle_registration|registration_plate|kennzeichen", "S",
          "document"),
    _rule("user.government_id.national_identification_number", r"ssn|social_?security(?:_?(?:number"
          r"|no|num))?|national_?(?:id|identity|insurance|number)(?:_?(?:number|no|num))?|tax_?(?:id"
          r"|number|payer_id)|tin|ni_?number|nino|nhs(?:_?(?:number|no))?|aadhaar(?:_?(?:number|no))?"
          r"|cpf|dni|nif|nie|codice_?fiscale|bsn|pesel|personnummer|person_?number|curp|rfc|hetu"
          r"|steuer_?id|nir|insee|nric|rrn|identity_?(?:number|card)(?:_?no)?|id_?card(?:_?(?:number"
          r"|no))?|government_id|citizen_id|pan_number", "SN", "document", off=False),
    _rule("user.demographic.date_of_birth", r"(?:date_?(?:of_?)?)?birth(?:_?da(?:y|te))?|birthdate"
          r"|dob|born(?:_on|_at)?|geburts(?:datum|tag)|fecha_?(?:de_?)?nac(?:imiento)?"
          r"|data_?(?:de_?)?nasc(?:imento|ita)?|data_?(?:di_?)?nascita|date_?(?:de_?)?naissance"
          r"|bday|birth_?year|yob", "DSN", "birthday", 0.6),
    _rule("user.demographic.gender", r"gender|sex|geschlecht|genero|sesso|sexe", "SNE", "word"),
    _rule("user.demographic.sexual_orientation", r"sexual_?orientation|sexuality", "SE"),
    _rule("user.demographic.sexual_orientation", r"orientation", "SE", people=True),
    _rule("user.demographic.marital_status", r"marital(?:_?status)?|civil_?status", "SNE",
          off=False),
    _rule("user.demographic.race_ethnicity", r"race|ethnicity|ethnic_?(?:group|origin)", "SE",
          "word"),
    _rule("user.demographic.religious_belief", r"religion|religious_?(?:belief|affiliation)|faith"
          r"|denomination", "SE", "word"),
    _rule("user.demographic.political_opinion", r"political_?(?:opinion|party|affiliation|view)s?",
          "SE"),
    _rule("user.demographic.citizenship_or_immigration_status", r"nationality|citizenship"
          r"|immigration_?status|visa_?(?:type|status)|nacionalidad|staatsangehoerigkeit", "SE",
          off=False),
    _rule("user.demographic.age_range", r"age(?:_?(?:range|group|years))?|alter", "NS", "age",
          people=True),
    _rule("user.demographic.language", r"lang(?:uage)?s?(?:_?(?:code|preference))?"
          r"|preferred_?(?:language|locale)|spoken_?languages?|locale|idioma|sprache", "SA", "word",
          people=True, off=False),
    _rule("user.health.record_id", r"mrn|medical_?record(?:_?(?:number|no|id))?|patient_?number",
          "SN", off=False),
    _rule("user.health.insurance_beneficiary_id", r"(?:health_?)?insurance_?(?:member_?)?(?:id"
          r"|number|no)|beneficiary_id|medicare_?(?:number|id)?|medicaid_?(?:number|id)?"
          r"|policy_?holder_?(?:number|id)", "SN", off=False),
    _rule("user.health", r"diagnos[ie]s|diagnosis_?(?:code|text)?|allerg(?:y|ies)|medications?"
          r"|prescriptions?|blood_?(?:type|group)|icd(?:_?\d+)?(?:_?code)?|symptoms?|disabilit(?:y"
          r"|ies)|medical_?(?:history|conditions?|notes?)|vaccinations?|treatments?|health_?(?:status"
          r"|conditions?)|cause_of_death|death_?(?:date|cause)|pregnan(?:t|cy)|hiv_status",
          "SEAJD", off=False),
    _rule("user.name", r"(?:[a-z]+_)?(?:first|last|middle|given|family|full|real|maiden|legal"
          r"|display|preferred|second)_?names?|forename|surname|sur_name|fname|lname|firstname"
          r"|lastname|fullname|vorname|nachname|nom(?:e|bre)?|prenom|cognome|apellidos?|sobrenome"
          rf"|{_WHO}_?names?|name_on_card|cardholder|counterparty|composer|nom_de_famille", "SA",
          "name", 0.6),
    _rule("user.name", r"comment_author|author|writer|reviewer|signatory|signed_by|assignee_name"
          r"|reported_by|contact_person|attn", "S", "name", 0.8),
    _rule("user.name", r"^name$", "S", "name", 0.6, people=True),
    _rule("user.account.username", r"user_?name|user_?login|login(?:_?name)?|nick(?:_?name)?"
          r"|screen_?name|benutzername|usuario|handle_lower|user_handle", "S", "word"),
    _rule("user.account.username", r"handle", "S", "word", people=True),
    _rule("user.contact.social_url", r"linkedin(?:_?(?:url|profile))?|twitter(?:_?(?:handle|url))?"
          r"|facebook(?:_?(?:url|id))?|instagram|github(?:_?(?:url|username))?|user_url|home_?page"
          r"|personal_?(?:site|url|website)|profile_?(?:url|link)|social_?(?:url|links?)"
          r"|mastodon|tiktok|blog(?:_url)?", "SA"),
    _rule("user.contact.social_url", r"website(?:_url)?|web", "S", "url", people=True, off=False),
    _rule("user.contact.address.street", r"(?:[a-z]+_)*(?:street(?:_?(?:address|name|line))?\d?"
          r"|addr(?:ess)?_?(?:line_?)?\d|strasse|stra\u00dfe|calle|rue|hausnummer|house_?(?:number"
          r"|no)|apartment|apt|unit_number|flat)", "SN", "text", 0.3),
    _rule("user.contact.address", r"(?:(?!ip|mac|email|mail|e|web|wallet|bitcoin|contract|host|net"
          r"|hardware|physical|memory|server)[a-z]+_)*(?:address(?:_?(?:text|full))?|addr|anschrift"
          r"|adresse|indirizzo|direccion|domicilio|endereco)", "SJ", "street", 0.5),
    _rule("user.contact.address.postal_code", r"(?:[a-z]+_)*(?:zip(?:_?code)?|postal(?:_?code)?"
          r"|postcode|post_code|plz|code_?postal|codigo_?postal|cep|cap|pincode)", "SN", "postal",
          0.6, off=False),
    _rule("user.location.imprecise", r"(?:geo|ip|location|last|login)_?(?:city|region|country"
          r"|country_?code|state)(?:_?name)?", "S", "place", off=False),
    _rule("user.contact.address.city", r"(?:[a-z]+_)*(?:city(?:_?(?:name|village))?|town|ort|wohnort"
          r"|ciudad|citta|cidade|ville|stadt|municipality|suburb|locality)", "S", "place",
          people=True),
    _rule("user.contact.address.state", r"(?:[a-z]+_)*(?:state(?:_?(?:province|name))?|province"
          r"|county|bundesland|provincia|estado_?uf)", "S", "place", people=True),
    _rule("user.contact.address.country", r"(?:[a-z]+_)*(?:country(?:_?(?:code|name|iso\d?))?|land"
          r"|pais|paese|pays)", "S", "country", 0.6, people=True, off=False),
    _rule("user.location.precise", r"(?:[a-z]+_)*(?:lat(?:itude)?)", "NS", "latitude", 0.9,
          off=False),
    _rule("user.location.precise", r"(?:[a-z]+_)*(?:lng|lon(?:gitude)?|long)", "NS", "longitude",
          0.9, off=False),
    _rule("user.location.precise", r"(?:[a-z]+_)*(?:coord(?:inate)?s?|lat_?l(?:o|ng|on)|gps"
          r"|geo(?:_?(?:point|location|position))?|geom(?:etry)?|location|position)", "S", "pair",
          0.5, off=False),
    _rule("user.financial", r"(?:annual_?|base_?|monthly_?|gross_?)?(?:salary|wages?|income|pay_?rate"
          r"|compensation)|net_?worth|credit_?score|gehalt|sueldo|salario", "NS", off=False),
    _rule("user.financial", r"(?:[a-z]+_)?balance|saldo|kontostand|solde", "N", people=True),
    _rule("user.professional_information.job_title", r"job_?title|occupation|profession|beruf"
          r"|job_?position", "S", "text", off=False),
    _rule("user.professional_information.workplace", r"employer(?:_?name)?|workplace|work_?company",
          "S", "text"),
    _rule("user.behavior.search_history", r"search_?(?:query|term|keyword|phrase|text|string|history)s?"
          r"|^(?:query|search|keywords)$", "SA", "text", 0.6),
    _rule("user.settings", r"(?:user_?|account_?)?(?:settings|preferences|prefs)", "JS",
          people=True),
    _rule("user.content", r"bio(?:graphy)?|about(?:_?(?:me|us|myself))?|self_?(?:intro|description)",
          "S", "text", people=False),
    _rule("user.content", r"(?:[a-z]+_)*(?:messages?|body|comment(?:s|_?(?:text|body|content))?"
          r"|post_?(?:text|body|content)|content|notes?|reviews?|feedback|captions?|tweet|status_text"
          r"|spoiler_text|remarks?|memo|headline|subject|transcript|answer|reply|raw|cooked|text"
          r"|description|question|complaint|testimonial|title|edits)(?:_?(?:text|html|md))?", "SJ",
          "text", 0.6, people=True),
)  # fmt: skip


def words(name: str) -> str:
    """A name's words in lower case, joined by underscores."""
    spaced = _CAPITAL.sub("_", name)
    return re.sub(r"[^0-9a-z\u00df-\u00ff]+", "_", spaced.lower()).strip("_")


def name_rules(column: str) -> Iterator[NameRule]:
    """The rules that a column's name fits, in order."""
    name = words(column)
    for rule in NAME_RULES:
        found = rule.pattern.search(name)
        if found and not (rule.off and _OFF.search(name) and not name.endswith(found[0])):
            yield rule


def is_about_people(table: str) -> bool:
    """Whether a table's name speaks of people."""
    return _names(_PERSON, table)


def is_about_places(table: str) -> bool:
    """Whether a table's name speaks of places rather than people: a gazetteer."""
    return _names(_PLACE, table) and not is_about_people(table)


def is_about_things(table: str) -> bool:
    """Whether a table's name speaks of things rather than people."""
    return _names(_THING, table) and not is_about_people(table)


def _names(pattern: str, table: str) -> bool:
    return re.search(rf"(?:^|_)(?:{pattern})(?:_|$)", words(table)) is not None
