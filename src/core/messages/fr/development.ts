/** French. */
export const development = {
  // Demo relying party
  'demo.title': 'Application de démonstration',
  'demo.lead': 'Une petite application qui connecte avec {brand}, pour faire des essais.',
  'demo.sign_in': 'Se connecter avec {brand}',
  'demo.sign_out': 'Se déconnecter',
  'demo.signed_in': 'Connecté en tant que {name}',
  'demo.claims': 'Informations à votre sujet',
  'demo.tokens': 'Jetons',
  'demo.userinfo': 'Selon le point d’accès UserInfo',
  'demo.claim': 'Information',
  'demo.value': 'Valeur',
  'demo.token': 'Jeton',
  'demo.refresh': 'Renouveler les jetons',
  'demo.title_second': 'Seconde application de démonstration',
  'demo.call_userinfo': 'Interroger UserInfo',
  'demo.single_sign_on': 'Voir l’authentification unique :',
  'demo.ended': 'Votre session est terminée. Reconnectez-vous.',
  'demo.renewed': 'Les jetons ont été renouvelés.',
  'demo.refused': 'Vous n’êtes pas connecté : la réponse était {error}.',
  'demo.expired': 'Cette connexion n’a pas été commencée ici, ou il y a trop longtemps. Recommencez-la.',

  // Development mailbox
  'mailbox.title': 'Boîte de développement',
  'mailbox.lead': 'Les e-mails et les SMS arrivent ici tant qu’aucun serveur de messagerie n’est réglé. Les plus récents d’abord.',
  'mailbox.empty': 'Rien pour l’instant. Les e-mails et les SMS apparaissent ici dès leur envoi.',
  'mailbox.to': 'À',
  'mailbox.code': 'Code',
  'mailbox.reload': 'Recharger',
  'mailbox.html': 'Source HTML',
  'mailbox.email': 'E-mail',
  'mailbox.sms': 'SMS',
} as const;
