import type { ConnectionKind } from '../../features/connections/index.ts';
import type { SocialProvider } from './provider.ts';
import { apple } from './providers/apple.ts';
import { facebook } from './providers/facebook.ts';
import { github } from './providers/github.ts';
import { google } from './providers/google.ts';
import { line } from './providers/line.ts';
import { microsoft } from './providers/microsoft.ts';
import { oidcProvider } from './providers/oidc.ts';

/** Every kind of upstream provider. */
export const PROVIDERS: Readonly<Record<ConnectionKind, SocialProvider>> = {
  oidc: oidcProvider,
  google,
  facebook,
  line,
  github,
  microsoft,
  apple,
};
