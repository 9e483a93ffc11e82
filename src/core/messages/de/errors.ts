/** German. */
export const errors = {
  // Things that go wrong
  'error.title': 'Etwas ist schiefgegangen',
  'error.explanation':
    'Das liegt an uns, nicht an Ihnen. Versuchen Sie es erneut; geschieht es wieder, nennen Sie dem Support die Vorgangsnummer unten.',
  'error.not_found': 'Diese Seite gibt es nicht',
  'error.not_found_explanation': 'Vielleicht ist die Adresse falsch geschrieben, oder die Seite ist umgezogen.',
  'error.forbidden': 'Sie dürfen diese Seite nicht öffnen',
  'error.forbidden_explanation': 'Ihrem Konto fehlt das Recht dazu. Wenden Sie sich an Ihre Administration.',
  'error.request': 'Diese Anfrage kann nicht beantwortet werden',
  'error.request_explanation':
    'Die Anwendung hat eine ungültige Anfrage gesendet. Gehen Sie zurück und versuchen Sie es erneut, oder nennen Sie den Betreibern der Anwendung, was unten steht.',
  'error.csrf': 'Diese Seite war zu lange geöffnet',
  'error.csrf_explanation':
    'Zu Ihrer Sicherheit wurde nichts geändert. Gehen Sie zurück, laden Sie die Seite neu und versuchen Sie es erneut.',
  'error.unavailable': 'Wir sind gerade ausgelastet',
  'error.unavailable_explanation': 'Der Dienst kann im Moment nicht antworten. Versuchen Sie es gleich noch einmal.',
  'error.details': 'Für die Betreiber der Anwendung',
  'expired.title': 'Diese Seite gilt nicht mehr',
  'expired.lead': 'Sie war zu lange geöffnet oder wurde in einem anderen Fenster abgeschlossen. Nichts ist verloren: Beginnen Sie neu.',
  'expired.no_start': 'Gehen Sie zurück zu der Anwendung, aus der Sie kamen, und beginnen Sie dort neu.',
  'limit.title': 'Zu viele Versuche',
  'limit.exceeded': 'Zu viele Versuche.',
  'limit.lead': 'Damit Konten sicher bleiben, ist die Zahl der Versuche je Konto und je Netzwerk begrenzt.',
  'limit.when': 'Versuchen Sie es {when} erneut.',
  'limit.now': 'Sie können es jetzt erneut versuchen.',
  'challenge.needs_script':
    'Um Programme fernzuhalten, braucht dieses Formular JavaScript. Schalten Sie es ein und laden Sie die Seite neu.',
  'challenge.unsolved':
    'Ihr Browser war mit einer Prüfung, die Programme fernhält, noch nicht fertig. Sie braucht JavaScript: Versuchen Sie es erneut.',
  'misdirected.title': 'Dieser Server hat eine andere Adresse',
  'misdirected.use': 'Sie haben {host} aufgerufen, der Server ist aber hier erreichbar:',
  'misdirected.setting': 'Wenn Sie diesen Server betreiben und {host} richtig ist, setzen Sie {setting} darauf und starten Sie ihn neu.',
} as const;
