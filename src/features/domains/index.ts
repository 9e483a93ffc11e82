/** Looks TXT records up; each record is a list of the strings that it consists of. Throws as `node:dns` does. */
export type ResolveTxt = (name: string) => Promise<readonly (readonly string[])[]>;
