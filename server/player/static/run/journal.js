import { entryText, headerKey, readHeader, readValues, valuesAndAges } from "./stored.js";

/** What a dismissed page sends first if not everything fits: all but what is usually long. */
const LONG = /^cmi\.(suspend_data|interactions\.|comments|objectives\.|launch_data)/;

/**
 * The changes of one run that the server has not acknowledged. A change is in localStorage when `put` returns; where
 * storage is blocked or full it is in memory only, and `durable` is false.
 *
 * Commit numbers: a number is in the stored header before it is handed out, and the header is read again each time,
 * because the recovery page of another tab may have taken numbers since.
 */
export class Journal {
  #storage;
  #key;
  #header;
  #pending = new Map(); // element → {value, at, change}
  #set = new Map(); // everything this run has set: element → {value, at}
  #issued = new Map(); // commit number → what it held: {values: Map element → change, initialized, terminated}
  #volatile = new Set(); // elements that are in memory only
  #change = 0;
  #bytes = 0;
  #initialized = false;
  #terminated = false;

  /**
   * @param {{storage: Storage | null, page: {session: string, launch: number, run: number, token: string,
   *   commitUrl: string, acknowledged: number, values?: Record<string, string>}}} options values are the server's
   */
  constructor({ storage, page }) {
    this.#storage = storage;
    this.#key = headerKey(page);
    const { token, commitUrl, launch, run, acknowledged, values = {} } = page;
    this.#header = { token, commitUrl, launch, run, next: acknowledged + 1, base: acknowledged, at: 0 };
    Object.assign(this.#header, { initialized: false, terminated: false });
    this.#resume(values);
  }

  /** What an earlier load of this same page left here: the data model starts with it. */
  get leftOver() {
    return Object.fromEntries([...this.#pending].map(([element, { value }]) => [element, value]));
  }

  /** Whether everything unsent would survive the browser. */
  get durable() {
    return this.#volatile.size === 0;
  }

  get empty() {
    return this.#pending.size === 0 && !this.#header.initialized && !this.#header.terminated;
  }

  /** A number that grows with each change; compare it to know whether there was one. */
  get change() {
    return this.#change;
  }

  /** About how many characters a commit of everything has. */
  get size() {
    let size = 0;
    for (const [element, { value }] of this.#pending) size += element.length + value.length + 6;
    return size;
  }

  /** How many characters were changed since the last commit was built. */
  get unsentSize() {
    return this.#bytes;
  }

  /** Keeps a change. */
  put(element, value) {
    this.#change += 1;
    // A course that sets the same again and again does not hurry things.
    if (this.#pending.get(element)?.value !== value) this.#bytes += element.length + value.length;
    const entry = { value, at: Date.now() };
    this.#pending.set(element, { ...entry, change: this.#change });
    this.#set.set(element, entry);
    this.#store(element, entry);
  }

  /** Keeps that the course has called Terminate; once is enough. */
  terminate() {
    if (this.#terminated) return;
    this.#change += 1;
    this.#terminated = true;
    this.#header.terminated = true;
    this.#writeHeader();
  }

  /** Keeps that the course has called Initialize, as it may again after this page was reloaded. */
  initialize() {
    this.#change += 1;
    this.#initialized = true;
    this.#terminated = false;
    Object.assign(this.#header, { initialized: true, terminated: false });
    this.#writeHeader();
  }

  /** Builds a commit of everything unacknowledged, or of so many elements at `most`; then the last one terminates. */
  whole(most = Infinity) {
    const elements = [...this.#pending.keys()].slice(0, most);
    const isWhole = elements.length === this.#pending.size;
    const commit = this.#commit(elements, this.#header.base, { terminated: this.#terminated && isWhole });
    return { ...commit, elements, whole: isWhole };
  }

  /**
   * Builds a commit of what changed after commit `number`, which may still be on its way: `wait` asks the server to give
   * it a moment. Having both, the server has all.
   */
  after(number) {
    const before = this.#issued.get(number)?.values ?? new Map();
    const changed = [...this.#pending].filter(([element, { change }]) => before.get(element) !== change);
    const elements = changed.map(([element]) => element);
    const commit = this.#commit(elements, number, { terminated: this.#terminated, wait: true });
    const { values } = this.#issued.get(commit.number);
    for (const [element, change] of before) if (!values.has(element)) values.set(element, change);
    return commit;
  }

  /** Builds a commit of results and status alone. It does not terminate, so that the rest may still follow. */
  essentials() {
    const short = [...this.#pending.keys()].filter((element) => !LONG.test(element));
    // Where the course has ended already, its beginning alone would look like another one, on a page that was reloaded.
    return { ...this.#commit(short, this.#header.base, { begins: !this.#terminated }), partial: true };
  }

  /**
   * Takes the server's word that it has commit `applied`. False if that is no number of this page: then recovery in
   * another tab was faster, nothing counts as acknowledged, and the next commit gets a greater number.
   */
  acknowledge(applied) {
    const held = this.#issued.get(applied);
    this.#header.next = Math.max(this.#header.next, applied + 1);
    if (!held) {
      if (applied <= this.#header.base) return true; // known, by an answer that was faster
      if (!this.empty) this.#writeHeader();
      return false;
    }
    for (const [element, change] of held.values) {
      if (this.#pending.get(element)?.change === change) this.#remove(element);
    }
    if (held.initialized) this.#header.initialized = false;
    if (held.terminated) this.#header.terminated = false;
    this.#header.base = Math.max(this.#header.base, applied);
    for (const number of this.#issued.keys()) if (number <= applied) this.#issued.delete(number);
    this.#settleHeader();
    return true;
  }

  /** Gives up the elements that commit `number` held, because the server refuses them; what changed since stays. */
  giveUp(number) {
    const held = this.#issued.get(number);
    if (!held) return;
    for (const element of held.values.keys()) this.#set.delete(element);
    if (held.values.size === 0) this.letGo(number);
    else this.#drop(number, held);
  }

  /** Lets go of what commit `number` held: the server takes it no more, because this run had ended before. */
  letGo(number) {
    const held = this.#issued.get(number);
    if (!held) return;
    Object.assign(this.#header, { initialized: false, terminated: false });
    this.#drop(number, held);
  }

  /** Makes everything this run has set due again, because the server does not have what `base` stands for. */
  resendFrom(base) {
    for (const [element, entry] of this.#set) {
      if (!this.#pending.has(element)) this.#pending.set(element, { ...entry, change: this.#change });
    }
    this.#header.initialized = this.#initialized;
    if (this.#terminated) this.#header.terminated = true;
    this.#header.base = base;
    this.#writeHeader();
  }

  /** Another tab wrote this run's header: never fall behind its numbers. */
  heard(event) {
    if (event.key === this.#key) this.#adoptNumbers();
  }

  /** Forgets everything, because the server will take nothing from this page any more. */
  abandon() {
    for (const element of [...this.#pending.keys()]) this.#remove(element);
    Object.assign(this.#header, { initialized: false, terminated: false });
    this.#settleHeader();
    this.#storage = null;
  }

  #resume(stored) {
    const header = this.#storage && readHeader(this.#storage, this.#key);
    if (!header) return;
    // A browser that was killed forgets what it stored last: the server has all of this, or what came after it.
    const isOld = header.issued < this.#header.base;
    for (const element of isOld ? readValues(this.#storage, this.#key).keys() : []) {
      if (element in stored) this.#storage.removeItem(`${this.#key}/${element}`);
    }
    if (isOld) Object.assign(header, { initialized: false, terminated: false });
    this.#header.next = Math.max(this.#header.next, header.next);
    this.#header.initialized = this.#initialized = Boolean(header.initialized);
    this.#header.terminated = this.#terminated = Boolean(header.terminated);
    for (const [element, entry] of readValues(this.#storage, this.#key)) {
      this.#change += 1;
      this.#pending.set(element, { ...entry, change: this.#change });
      this.#set.set(element, entry);
    }
  }

  #commit(elements, base, { begins = true, terminated = false, wait = false }) {
    this.#adoptNumbers();
    const number = this.#header.next;
    this.#header.next = number + 1;
    this.#writeHeader();
    const sent = elements.map((element) => [element, this.#pending.get(element)]);
    const { launch, run } = this.#header;
    const initialized = this.#header.initialized && begins;
    const values = new Map(sent.map(([element, { change }]) => [element, change]));
    this.#issued.set(number, { values, initialized, terminated });
    this.#bytes = 0;
    const body = {
      ...{ launch, run, commit: number, base, ...valuesAndAges(sent, Date.now()) },
      ...(initialized && { initialized }),
      ...(terminated && { terminated }),
      ...(wait && { wait }),
    };
    return { number, change: this.#change, text: JSON.stringify(body) };
  }

  #drop(number, held) {
    for (const [element, change] of held.values) {
      if (this.#pending.get(element)?.change === change) this.#remove(element);
    }
    this.#issued.delete(number);
    this.#settleHeader();
  }

  #store(element, entry) {
    if (this.#write(`${this.#key}/${element}`, entryText(entry)) && this.#writeHeader()) {
      this.#volatile.delete(element);
    } else {
      this.#volatile.add(element);
    }
  }

  #remove(element) {
    this.#pending.delete(element);
    this.#volatile.delete(element);
    this.#storage?.removeItem(`${this.#key}/${element}`);
  }

  #settleHeader() {
    if (this.empty) this.#storage?.removeItem(this.#key);
    else this.#writeHeader();
  }

  #adoptNumbers() {
    const stored = this.#storage && readHeader(this.#storage, this.#key);
    if (stored) this.#header.next = Math.max(this.#header.next, stored.next);
  }

  #writeHeader() {
    this.#adoptNumbers();
    return this.#write(this.#key, JSON.stringify({ ...this.#header, issued: this.#header.next - 1, at: Date.now() }));
  }

  #write(name, text) {
    try {
      this.#storage?.setItem(name, text);
      return this.#storage !== null;
    } catch {
      return false;
    }
  }
}
