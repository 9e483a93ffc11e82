/** German. */
export const mails = {
  'mail.expires': {
    one: 'Er gilt eine Minute und nur einmal. Geben Sie ihn nie weiter: Niemand von {brand} wird Sie danach fragen.',
    other: 'Er gilt {count} Minuten und nur einmal. Geben Sie ihn nie weiter: Niemand von {brand} wird Sie danach fragen.',
  },
  'mail.asked': 'Angefordert am {at}, von {address} ({device}).',
  'mail.happened': 'Geschehen am {at}, von {address} ({device}).',
  'mail.footer':
    'Sie erhalten diese E-Mail, weil bei {host} etwas mit Ihrer Adresse geschehen ist. Es gibt nichts, wovon Sie sich abmelden müssten.',
  'mail.verify.subject': '{code} ist Ihr Code für {brand}',
  'mail.verify.heading': 'Bestätigen Sie Ihre E-Mail-Adresse',
  'mail.verify.lead': 'Geben Sie diesen Code auf der Seite ein, die danach gefragt hat:',
  'mail.verify.not_you': 'Falls Sie ihn nicht angefordert haben, müssen Sie nichts tun: Ohne den Code geschieht nichts.',
  'mail.reset.subject': '{code} ist Ihr Code, um Ihr Passwort für {brand} zurückzusetzen',
  'mail.reset.heading': 'Setzen Sie Ihr Passwort zurück',
  'mail.reset.lead': 'Geben Sie diesen Code auf der Seite ein, die danach gefragt hat:',
  'mail.reset.link_lead': 'Haben Sie die Seite geschlossen? Öffnen Sie sie hier wieder:',
  'mail.reset.link': 'Neues Passwort wählen',
  'mail.reset.not_you': 'Falls Sie ihn nicht angefordert haben, müssen Sie nichts tun: Ihr Passwort bleibt, wie es ist.',
  'mail.changed.subject': 'Ihr Passwort für {brand} wurde geändert',
  'mail.changed.heading': 'Ihr Passwort wurde geändert',
  'mail.changed.lead': 'Das Passwort Ihres Kontos wurde geändert, und andere Geräte wurden abgemeldet.',
  'mail.changed.not_you': 'Falls Sie das nicht waren, holen Sie sich Ihr Konto jetzt zurück:',
  'mail.changed.link': 'Passwort zurücksetzen',
  'mail.exists.subject': 'Sie haben schon ein Konto bei {brand}',
  'mail.exists.heading': 'Sie haben schon ein Konto',
  'mail.exists.lead':
    'Jemand, wahrscheinlich Sie selbst, wollte mit dieser Adresse ein Konto erstellen. Es gibt schon eines, daher wurde nichts geändert.',
  'mail.exists.sign_in': 'Anmelden',
  'mail.exists.reset_lead': 'Passwort vergessen? Setzen Sie es hier zurück:',
  'mail.exists.reset': 'Passwort zurücksetzen',
  'mail.exists.not_you': 'Falls Sie das nicht waren, müssen Sie nichts tun: Ihr Konto ist unverändert.',
} as const;
