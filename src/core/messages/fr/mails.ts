/** French. */
export const mails = {
  'mail.expires': {
    one: 'Il est valable une minute et une seule fois. Ne le transmettez jamais : personne chez {brand} ne vous le demandera.',
    other: 'Il est valable {count} minutes et une seule fois. Ne le transmettez jamais : personne chez {brand} ne vous le demandera.',
  },
  'mail.asked': 'Demandé le {at}, depuis {address} ({device}).',
  'mail.happened': 'C’était le {at}, depuis {address} ({device}).',
  'mail.footer':
    'Vous recevez cet e-mail parce qu’il s’est passé quelque chose avec votre adresse sur {host}. Il n’y a rien à quoi se désabonner.',
  'mail.verify.subject': '{code} est votre code {brand}',
  'mail.verify.heading': 'Confirmez votre adresse e-mail',
  'mail.verify.lead': 'Saisissez ce code sur la page qui l’a demandé :',
  'mail.verify.not_you': 'Si vous ne l’avez pas demandé, ne faites rien : sans ce code, il ne se passe rien.',
  'mail.reset.subject': '{code} est votre code pour réinitialiser votre mot de passe {brand}',
  'mail.reset.heading': 'Réinitialisez votre mot de passe',
  'mail.reset.lead': 'Saisissez ce code sur la page qui l’a demandé :',
  'mail.reset.link_lead': 'Vous avez fermé cette page ? Rouvrez-la ici :',
  'mail.reset.link': 'Choisir un nouveau mot de passe',
  'mail.reset.not_you': 'Si vous ne l’avez pas demandé, ne faites rien : votre mot de passe reste le même.',
  'mail.changed.subject': 'Votre mot de passe {brand} a été modifié',
  'mail.changed.heading': 'Votre mot de passe a été modifié',
  'mail.changed.lead': 'Le mot de passe de votre compte a été modifié, et les autres appareils ont été déconnectés.',
  'mail.changed.not_you': 'Si ce n’était pas vous, reprenez votre compte maintenant :',
  'mail.changed.link': 'Réinitialiser le mot de passe',
  'mail.exists.subject': 'Vous avez déjà un compte {brand}',
  'mail.exists.heading': 'Vous avez déjà un compte',
  'mail.exists.lead':
    'Quelqu’un, sans doute vous, a voulu créer un compte avec cette adresse. Il en existe déjà un : rien n’a été modifié.',
  'mail.exists.sign_in': 'Se connecter',
  'mail.exists.reset_lead': 'Mot de passe oublié ? Réinitialisez-le ici :',
  'mail.exists.reset': 'Réinitialiser le mot de passe',
  'mail.exists.not_you': 'Si ce n’était pas vous, ne faites rien : votre compte est inchangé.',
} as const;
