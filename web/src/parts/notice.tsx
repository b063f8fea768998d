/** What whoever uses this page has to know. */
export function Notice() {
  return (
    <footer>
      <p>
        <strong>Tell everybody who is seen, beforehand and in plain words:</strong> that faces are analysed, what is
        estimated, for what, by whom and how long it is kept. Ask them where you have to. It is apparent affect, an
        estimate: no statement about what a person feels.
      </p>
      <p>
        In the European Union such estimates are banned at work and in education, but for medical and safety reasons,
        and elsewhere people must be informed (AI Act, articles 5(1)(f) and 50(3)). docs/privacy.md says more.
      </p>
    </footer>
  );
}
