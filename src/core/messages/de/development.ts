/** German. */
export const development = {
  // Demo relying party
  'demo.title': 'Demo-Anwendung',
  'demo.lead': 'Eine kleine Anwendung zum Ausprobieren, die über {brand} anmeldet.',
  'demo.sign_in': 'Mit {brand} anmelden',
  'demo.sign_out': 'Abmelden',
  'demo.signed_in': 'Angemeldet als {name}',
  'demo.claims': 'Aussagen über Sie',
  'demo.tokens': 'Tokens',
  'demo.userinfo': 'Vom UserInfo-Endpunkt',
  'demo.claim': 'Aussage',
  'demo.value': 'Wert',
  'demo.token': 'Token',
  'demo.refresh': 'Tokens erneuern',
  'demo.title_second': 'Zweite Demo-Anwendung',
  'demo.call_userinfo': 'UserInfo abrufen',
  'demo.single_sign_on': 'Einmal anmelden, überall drin:',
  'demo.ended': 'Ihre Sitzung ist beendet. Melden Sie sich wieder an.',
  'demo.renewed': 'Die Tokens wurden erneuert.',
  'demo.refused': 'Sie sind nicht angemeldet: Die Antwort war {error}.',
  'demo.expired': 'Diese Anmeldung wurde nicht hier begonnen oder ist zu lange her. Beginnen Sie sie neu.',

  // Development mailbox
  'mailbox.title': 'Postfach für die Entwicklung',
  'mailbox.lead': 'Solange kein Mailserver eingestellt ist, landen E-Mails und SMS hier. Die neuesten zuerst.',
  'mailbox.empty': 'Noch nichts. E-Mails und SMS erscheinen hier, sobald sie gesendet werden.',
  'mailbox.to': 'An',
  'mailbox.code': 'Code',
  'mailbox.reload': 'Neu laden',
  'mailbox.html': 'HTML-Quelltext',
  'mailbox.email': 'E-Mail',
  'mailbox.sms': 'SMS',
} as const;
