/** French. */
export const login = {
  // Methods, when there is a choice
  'method.password': 'Utiliser le mot de passe',
  'method.passkey': 'Utiliser une clé d’accès',
  'method.email-otp': 'Recevoir un code par e-mail',
  'method.sms-otp': 'Recevoir un code par SMS',
  'method.totp': 'Utiliser l’application d’authentification',
  'method.recovery-code': 'Utiliser un code de secours',
  'method.magic-link': 'Recevoir un lien par e-mail',
  'method.external-2fa': 'Utiliser le second facteur de votre entreprise',

  // Sign in
  'login.title': 'Se connecter',
  'login.lead': 'Pour continuer vers {client}',
  'login.lead_plain': 'Avec votre compte {brand}',
  'login.submit': 'Se connecter',
  'login.forgot': 'Mot de passe oublié ?',
  'login.register_prompt': 'Nouveau ici ?',
  'login.register': 'Créer un compte',
  'login.refused': 'Le nom ou le mot de passe est incorrect. Vérifiez les deux et réessayez, ou réinitialisez votre mot de passe.',
  'login.disabled': 'La connexion à ce compte n’est pas possible pour le moment. Adressez-vous à votre administrateur.',
  'login.again': 'Reconnectez-vous pour continuer.',
  'login.cancel': 'Annuler et revenir',

  // Create an account
  'register.title': 'Créer votre compte',
  'register.lead': 'Pour continuer vers {client}',
  'register.lead_plain': 'Cela prend moins d’une minute',
  'register.submit': 'Créer le compte',
  'register.login_prompt': 'Vous avez déjà un compte ?',
  'register.login': 'Se connecter',
  'register.closed': 'On ne peut pas créer de compte ici. Demandez une invitation à votre administrateur.',
  'email.invalid': 'Indiquez une adresse e-mail comme nom@example.com.',

  // One-time codes
  'code.wrong': 'Ce code est incorrect. Consultez l’e-mail le plus récent et réessayez.',
  'code.expired': 'Ce code n’est plus valable. Demandez-en un nouveau.',
  'code.used_up': 'Trop de codes incorrects. Demandez-en un nouveau.',
  'code.resent': 'Un nouveau code est en route.',

  // Prove an address
  'verify.title': 'Consultez vos e-mails',
  'verify.lead': 'Saisissez le code que nous avons envoyé à {email}',
  'verify.submit': 'Confirmer',
  'verify.resend_prompt': 'Rien reçu ? Regardez dans les indésirables, ou',
  'verify.resend': 'demandez un nouveau code',
  'verify.change': 'Utiliser une autre adresse',

  // Forgotten password
  'reset.title': 'Réinitialiser votre mot de passe',
  'reset.lead': 'Nous vous enverrons un code par e-mail.',
  'reset.submit': 'Envoyer le code',
  'reset.back': 'Retour à la connexion',
  'reset_code.title': 'Choisir un nouveau mot de passe',
  'reset_code.lead': 'Si {email} a un compte, un code lui a été envoyé.',
  'reset_code.lead_plain': 'Saisissez le code de l’e-mail que nous vous avons envoyé.',
  'reset_code.submit': 'Enregistrer le mot de passe',
  'reset_code.done': 'Votre mot de passe a été modifié.',

  // Forced change
  'change.title': 'Choisir un nouveau mot de passe',
  'change.lead': 'Vous devez changer votre mot de passe avant de continuer.',
  'change.submit': 'Enregistrer et continuer',

  // Consent
  'consent.title': '{client} demande un accès',
  'consent.lead': 'Vérifiez ce que l’application pourra voir et faire avec votre compte.',
  'consent.to_account': 'À votre sujet',
  'consent.to_resource': 'Dans {resource}',
  'consent.how_long': 'Pour combien de temps',
  'consent.session_only': 'Jusqu’à votre déconnexion.',
  'consent.offline': 'Aussi en votre absence, jusqu’à ce que vous le retiriez.',
  'consent.take_back': 'Vous pouvez retirer cet accès à tout moment sur la page de votre compte.',
  'consent.allow': 'Autoriser',
  'consent.deny': 'Refuser',
  'consent.unverified': 'Non vérifiée. Continuez seulement si vous connaissez {client}.',
  'consent.goes_to': 'Vous serez ensuite dirigé vers {host}.',
  'scope.openid': 'Vous reconnaître quand vous revenez',
  'scope.profile': 'Voir votre nom et votre profil',
  'scope.email': 'Voir votre adresse e-mail',
  'scope.phone': 'Voir votre numéro de téléphone',
  'scope.name': 'Voir votre nom',
  'scope.given_name': 'Voir votre prénom',
  'scope.family_name': 'Voir votre nom de famille',
  'scope.preferred_username': 'Voir votre nom d’utilisateur',
  'scope.locale': 'Voir votre langue',
  'scope.updated_at': 'Voir quand votre profil a été modifié pour la dernière fois',
  'scope.email_verified': 'Voir si votre adresse e-mail est confirmée',
  'scope.phone_number': 'Voir votre numéro de téléphone',
  'scope.phone_number_verified': 'Voir si votre numéro de téléphone est confirmé',
  'scope.address': 'Voir votre adresse postale',
  'scope.account': 'Voir et modifier les réglages de votre compte',
  'scope.offline_access': 'Conserver cet accès en votre absence',
  'scope.tenant': 'Voir pour quelle organisation vous agissez',
  'scope.roles': 'Voir vos rôles',
  'scope.groups': 'Voir vos groupes',

  // Choose an account
  'select.title': 'Choisir un compte',
  'select.lead': 'Pour continuer vers {client}',
  'select.lead_plain': 'Pour continuer',
  'select.continue_as': 'Continuer en tant que {name}',
  'select.other': 'Utiliser un autre compte',

  // Choose an organisation
  'tenant.title': 'Choisir une organisation',
  'tenant.lead': 'Pour ce que vous faites dans {client}',
  'tenant.submit': 'Continuer',

  // Sign out
  'logout.title': 'Se déconnecter ?',
  'logout.lead': 'Vous serez déconnecté de {brand} et des applications qui en dépendent.',
  'logout.lead_client': '{client} demande votre déconnexion.',
  'logout.submit': 'Se déconnecter',
  'logout.stay': 'Rester connecté',
  'logged_out.title': 'Vous êtes déconnecté',
  'logged_out.lead': 'Vous pouvez maintenant fermer cette fenêtre.',
  'logged_out.again': 'Se reconnecter',
} as const;
