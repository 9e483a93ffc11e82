/**
 * The passwords that people chose most often in published breaches, some forty thousand of them. The list is read when the first password is
 * set, never while somebody signs in, and nothing leaves the machine to consult it.
 */
let known: Promise<ReadonlySet<string>> | undefined;

/** Whether the password, in whatever case, is on the list. */
export async function isBreached(password: string): Promise<boolean> {
  known ??= load();
  return (await known).has(password.toLowerCase());
}

async function load(): Promise<ReadonlySet<string>> {
  const { dictionary } = await import('@zxcvbn-ts/language-common');
  return new Set(dictionary['passwords-common'].map(String));
}
