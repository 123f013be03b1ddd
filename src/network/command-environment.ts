/** Programs of the network lie in sbin, which not every user's PATH holds. */
export const commandEnvironment: NodeJS.ProcessEnv = { ...process.env, PATH: `${process.env.PATH ?? ''}:/usr/local/sbin:/usr/sbin:/sbin` };
