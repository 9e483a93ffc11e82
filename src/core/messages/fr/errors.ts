/** French. */
export const errors = {
  // Things that go wrong
  'error.title': 'Une erreur s’est produite',
  'error.explanation':
    'L’erreur vient de nous, pas de vous. Réessayez ; si elle se reproduit, communiquez la référence ci-dessous à l’assistance.',
  'error.not_found': 'Cette page n’existe pas',
  'error.not_found_explanation': 'L’adresse est peut-être mal saisie, ou la page a été déplacée.',
  'error.forbidden': 'Vous ne pouvez pas ouvrir cette page',
  'error.forbidden_explanation': 'Votre compte n’en a pas le droit. Adressez-vous à un administrateur.',
  'error.request': 'Cette demande ne peut pas aboutir',
  'error.request_explanation':
    'L’application a envoyé une demande non valable. Revenez en arrière et réessayez, ou transmettez à ses responsables ce qui figure ci-dessous.',
  'error.csrf': 'Cette page est restée ouverte trop longtemps',
  'error.csrf_explanation': 'Pour votre sécurité, rien n’a été modifié. Revenez en arrière, rechargez la page et réessayez.',
  'error.unavailable': 'Le service est très sollicité',
  'error.unavailable_explanation': 'Il ne peut pas répondre pour le moment. Réessayez dans un instant.',
  'error.details': 'Pour les responsables de l’application',
  'expired.title': 'Cette page n’est plus valable',
  'expired.lead': 'Elle est restée ouverte trop longtemps, ou a été terminée dans une autre fenêtre. Rien n’est perdu : recommencez.',
  'expired.no_start': 'Retournez à l’application d’où vous venez et recommencez là.',
  'limit.title': 'Trop de tentatives',
  'limit.exceeded': 'Trop de tentatives.',
  'limit.lead': 'Pour protéger les comptes, le nombre de tentatives est limité par compte et par réseau.',
  'limit.when': 'Réessayez {when}.',
  'limit.now': 'Vous pouvez réessayer maintenant.',
  'challenge.needs_script': 'Pour écarter les programmes, ce formulaire a besoin de JavaScript. Activez-le et rechargez la page.',
  'challenge.unsolved': 'Votre navigateur n’avait pas terminé un contrôle qui écarte les programmes. Il demande JavaScript : réessayez.',
  'misdirected.title': 'Ce serveur répond à une autre adresse',
  'misdirected.use': 'Vous avez demandé {host}, mais le serveur est joignable ici :',
  'misdirected.setting':
    'Si vous exploitez ce serveur et que {host} est la bonne adresse, donnez cette valeur à {setting} et redémarrez-le.',
} as const;
