# The one image of all roles and of the sidecar in each session's Pod. `docker build .` needs nothing but this checkout;
# `npm run image` builds the files of the stage `app` outside, with the npm of the machine, and gives them in.
FROM node:24-bookworm-slim AS build
WORKDIR /source
COPY package.json package-lock.json .npmrc ./
COPY packages/client/package.json packages/client/
COPY packages/server/package.json packages/server/
COPY demo/board/package.json demo/board/
COPY bench/package.json bench/
# The npm settings of whoever builds, where they are given (`--secret id=npmrc,src=$HOME/.npmrc`), stay out of the image.
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --ignore-scripts
COPY . .
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc node scripts/app.mjs --out /app

FROM scratch AS app
COPY --from=build /app /

FROM node:24-bookworm-slim
ENV NODE_ENV=production PATH=/app/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Owned by root and written by nobody: every role runs on a read-only root file system. A sidecar is /app/dist/sidecar.cjs.
COPY --from=app / /app/
# A number, so that the kubelet can tell that it is not root.
USER 65532:65532
ENTRYPOINT ["spawner"]
CMD ["--help"]
