# The server of docs/node.md, in an image: `docker build -t edge-keyring .` What it needs and how it is run: "A container" there.
FROM node:24-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# The image has its Node, and no library here has anything to install by a script.
RUN npm ci --ignore-scripts
COPY src ./src
COPY functions ./functions
COPY tools ./tools
RUN npm run build:node

FROM node:24-slim
WORKDIR /app
RUN mkdir -p /var/lib/edge-keyring && chown node:node /var/lib/edge-keyring
COPY --from=build /app/dist/node ./
# A port that is published is none of loopback: so this is a deployment, for which nothing is made up.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8001 KEYRING_DATABASE=/var/lib/edge-keyring/keyring.sqlite
USER node
VOLUME /var/lib/edge-keyring
EXPOSE 8001
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Without a shell, so that SIGTERM arrives. What a request makes is soon forgotten: with room of 4 MiB for it memory stays where it is, which
# V8 would double within millions of requests (docs/speed.md).
CMD ["node", "--max-semi-space-size=4", "server.mjs"]
