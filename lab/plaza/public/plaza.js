const room = 1;
const messages = document.querySelector('#messages');

function addLine(list, text) {
  const line = document.createElement('li');
  line.textContent = text;
  list.append(line);
}

async function getJson(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

async function showFeed() {
  const { prompts } = await getJson('/feed');
  for (const { title, author } of prompts) addLine(document.querySelector('#feed'), `${title}, by ${author?.handle ?? 'somebody'}`);
}

async function showMessages() {
  const { messages: latest } = await getJson(`/rooms/${room}/messages`);
  for (const { body } of latest.toReversed()) addLine(messages, body);
}

function joinRoom(token) {
  const socket = new WebSocket(`${location.origin.replace('http', 'ws')}/chat?room=${room}&token=${token}`);
  socket.addEventListener('message', (event) => addLine(messages, JSON.parse(event.data).body));
  const talk = document.querySelector('#talk');
  talk.hidden = false;
  talk.addEventListener('submit', (event) => {
    event.preventDefault();
    socket.send(JSON.stringify({ body: new FormData(talk).get('body') }));
    talk.reset();
  });
}

const login = document.querySelector('#login');
login.addEventListener('submit', async (event) => {
  event.preventDefault();
  const answer = await fetch('/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(Object.fromEntries(new FormData(login))),
  });
  if (!answer.ok) {
    login.querySelector('output').value = 'Wrong email or password.';
    return;
  }
  login.hidden = true;
  joinRoom((await answer.json()).token);
});

await Promise.all([showFeed(), showMessages()]);
