/** What is sent with our forms, besides a token and the answers of option `recovery`: names that hosts cannot give. */
export const OWN_FIELDS: readonly string[] = [
  'code',
  'enrolment',
  'password',
  'reason',
  'set',
  'signInAgain',
  'ticket',
  'trustDevice',
]
