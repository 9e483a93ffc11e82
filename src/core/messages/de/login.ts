/** German. */
export const login = {
  // Methods, when there is a choice
  'method.password': 'Passwort verwenden',
  'method.passkey': 'Passkey verwenden',
  'method.email-otp': 'Code per E-Mail erhalten',
  'method.sms-otp': 'Code per SMS erhalten',
  'method.totp': 'Authentifizierungs-App verwenden',
  'method.recovery-code': 'Wiederherstellungscode verwenden',
  'method.magic-link': 'Link per E-Mail erhalten',
  'method.external-2fa': 'Zweiten Faktor Ihrer Firma verwenden',

  // Sign in
  'login.title': 'Anmelden',
  'login.lead': 'Weiter zu {client}',
  'login.lead_plain': 'Mit Ihrem {brand}-Konto',
  'login.submit': 'Anmelden',
  'login.forgot': 'Passwort vergessen?',
  'login.register_prompt': 'Neu hier?',
  'login.register': 'Konto erstellen',
  'login.refused': 'Name oder Passwort stimmt nicht. Prüfen Sie beides und versuchen Sie es erneut, oder setzen Sie Ihr Passwort zurück.',
  'login.disabled': 'Mit diesem Konto ist zurzeit keine Anmeldung möglich. Wenden Sie sich an Ihre Administration.',
  'login.again': 'Bitte melden Sie sich erneut an, um fortzufahren.',
  'login.cancel': 'Abbrechen und zurück',

  // Create an account
  'register.title': 'Konto erstellen',
  'register.lead': 'Danach geht es weiter zu {client}',
  'register.lead_plain': 'Das dauert keine Minute',
  'register.submit': 'Konto erstellen',
  'register.login_prompt': 'Haben Sie schon ein Konto?',
  'register.login': 'Anmelden',
  'register.closed': 'Hier können keine neuen Konten erstellt werden. Bitten Sie Ihre Administration um eine Einladung.',
  'email.invalid': 'Geben Sie eine E-Mail-Adresse wie name@example.com ein.',

  // One-time codes
  'code.wrong': 'Dieser Code stimmt nicht. Sehen Sie in der neuesten E-Mail nach und versuchen Sie es erneut.',
  'code.expired': 'Dieser Code gilt nicht mehr. Fordern Sie einen neuen an.',
  'code.used_up': 'Zu viele falsche Codes. Fordern Sie einen neuen an.',
  'code.resent': 'Ein neuer Code ist unterwegs.',

  // Prove an address
  'verify.title': 'Sehen Sie in Ihr Postfach',
  'verify.lead': 'Geben Sie den Code ein, den wir an {email} geschickt haben',
  'verify.submit': 'Bestätigen',
  'verify.resend_prompt': 'Nichts angekommen? Sehen Sie im Spam-Ordner nach, oder',
  'verify.resend': 'fordern Sie einen neuen Code an',
  'verify.change': 'Andere Adresse verwenden',

  // Forgotten password
  'reset.title': 'Passwort zurücksetzen',
  'reset.lead': 'Wir schicken Ihnen einen Code per E-Mail.',
  'reset.submit': 'Code senden',
  'reset.back': 'Zurück zur Anmeldung',
  'reset_code.title': 'Neues Passwort wählen',
  'reset_code.lead': 'Falls {email} zu einem Konto gehört, ist ein Code dorthin unterwegs.',
  'reset_code.lead_plain': 'Geben Sie den Code aus der E-Mail ein, die wir Ihnen geschickt haben.',
  'reset_code.submit': 'Neues Passwort speichern',
  'reset_code.done': 'Ihr Passwort wurde geändert.',

  // Forced change
  'change.title': 'Neues Passwort wählen',
  'change.lead': 'Bevor Sie fortfahren, müssen Sie Ihr Passwort ändern.',
  'change.submit': 'Speichern und fortfahren',

  // Consent
  'consent.title': '{client} bittet um Zugriff',
  'consent.lead': 'Prüfen Sie, was die Anwendung mit Ihrem Konto sehen und tun darf.',
  'consent.to_account': 'Über Sie',
  'consent.to_resource': 'In {resource}',
  'consent.how_long': 'Wie lange',
  'consent.session_only': 'Bis Sie sich abmelden.',
  'consent.offline': 'Auch während Sie nicht da sind, bis Sie es widerrufen.',
  'consent.take_back': 'Auf Ihrer Kontoseite können Sie dies jederzeit widerrufen.',
  'consent.allow': 'Erlauben',
  'consent.deny': 'Ablehnen',
  'consent.unverified': 'Nicht überprüft. Fahren Sie nur fort, wenn Sie {client} kennen.',
  'consent.goes_to': 'Danach gelangen Sie zu {host}.',
  'scope.openid': 'Sie wiedererkennen',
  'scope.profile': 'Ihren Namen und Ihr Profil sehen',
  'scope.email': 'Ihre E-Mail-Adresse sehen',
  'scope.phone': 'Ihre Telefonnummer sehen',
  'scope.name': 'Ihren Namen sehen',
  'scope.given_name': 'Ihren Vornamen sehen',
  'scope.family_name': 'Ihren Nachnamen sehen',
  'scope.preferred_username': 'Ihren Benutzernamen sehen',
  'scope.locale': 'Ihre Sprache sehen',
  'scope.updated_at': 'Sehen, wann Ihr Profil zuletzt geändert wurde',
  'scope.email_verified': 'Sehen, ob Ihre E-Mail-Adresse bestätigt ist',
  'scope.phone_number': 'Ihre Telefonnummer sehen',
  'scope.phone_number_verified': 'Sehen, ob Ihre Telefonnummer bestätigt ist',
  'scope.address': 'Ihre Postanschrift sehen',
  'scope.account': 'Ihre Kontoeinstellungen sehen und ändern',
  'scope.offline_access': 'Den Zugriff behalten, während Sie nicht da sind',
  'scope.tenant': 'Sehen, für welche Organisation Sie handeln',
  'scope.roles': 'Ihre Rollen sehen',
  'scope.groups': 'Ihre Gruppen sehen',

  // Choose an account
  'select.title': 'Konto wählen',
  'select.lead': 'Weiter zu {client}',
  'select.lead_plain': 'Um fortzufahren',
  'select.continue_as': 'Weiter als {name}',
  'select.other': 'Anderes Konto verwenden',

  // Choose an organisation
  'tenant.title': 'Organisation wählen',
  'tenant.lead': 'Für das, was Sie in {client} tun',
  'tenant.submit': 'Weiter',

  // Sign out
  'logout.title': 'Abmelden?',
  'logout.lead': 'Sie werden bei {brand} abgemeldet und bei den Anwendungen, die sich danach richten.',
  'logout.lead_client': '{client} möchte Sie abmelden.',
  'logout.submit': 'Abmelden',
  'logout.stay': 'Angemeldet bleiben',
  'logged_out.title': 'Sie sind abgemeldet',
  'logged_out.lead': 'Sie können dieses Fenster jetzt schließen.',
  'logged_out.again': 'Wieder anmelden',
} as const;
