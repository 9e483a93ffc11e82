/** Anmelden bei einem anderen Anbieter. */
export const federation = {
  'social.continue': 'Weiter mit {name}',
  'social.refused': 'Die Anmeldung mit {name} ist nicht gelungen. Versuchen Sie es noch einmal, oder melden Sie sich auf andere Weise an.',
  'social.cancelled': 'Sie haben sich nicht mit {name} angemeldet. Wählen Sie, wie es weitergehen soll.',
  'social.unreachable': '{name} antwortet gerade nicht. Versuchen Sie es später noch einmal, oder melden Sie sich auf andere Weise an.',
  'social.link':
    'Zu Ihrer E-Mail-Adresse gibt es bereits ein Konto. Melden Sie sich einmal daran an; danach öffnet auch {name} dieses Konto.',
  'social.elsewhere_title': 'Anmelden bei {name}',
  'social.elsewhere': 'Mit dieser Adresse melden Sie sich bei {name} an. Sie werden dorthin geleitet.',
  'identities.title': 'Verknüpfte Konten',
  'identities.lead': 'Damit können Sie sich ohne Ihr Passwort anmelden.',
  'identities.manage': 'Verknüpfte Konten verwalten',
  'identities.none': 'Noch ist nichts verknüpft.',
  'identities.unlink': 'Trennen',
  'identities.unlink_label': '{name} trennen',
  'identities.link': '{name} verknüpfen',
  'identities.linked': '{name} ist jetzt mit Ihrem Konto verknüpft.',
  'identities.unlinked': 'Die Verknüpfung ist getrennt und öffnet Ihr Konto nicht mehr.',
  'identities.last': 'Das ist Ihr einziger Weg, sich anzumelden. Setzen Sie zuerst ein Passwort.',
  'identities.taken': 'Dieses Konto bei {name} gehört hier bereits zu jemand anderem.',
  'identities.failed': 'Das Verknüpfen mit {name} ist nicht gelungen. Versuchen Sie es noch einmal.',
} as const;
