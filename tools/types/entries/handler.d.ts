/** What each of `edge-keyring/handlers/…` exports: a function of Lambda. */
export declare const handler: (
  event: unknown,
  context: { readonly awsRequestId: string; getRemainingTimeInMillis(): number },
) => Promise<unknown>
