# Redis from Debian's packages, compatible with the official image. See scripts/build-test-images.
FROM waggle-test-debian:12
WORKDIR /data
RUN chown redis:redis /data
USER redis
EXPOSE 6379
CMD ["redis-server", "--protected-mode", "no"]
