/** A flag that has a value, as data: the sidecar alone in its file reads its flags without Commander. */
export interface ValueFlag<Key extends string> {
  /** Without the dashes before it. */
  readonly name: string;
  readonly key: Key;
  /** What help calls the value. */
  readonly value: string;
  readonly description: string;
  readonly default?: string | number;
  /** Throws a RangeError that says what is needed. */
  readonly parse: (text: string) => string | number;
}
