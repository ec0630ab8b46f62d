# The balancer as an image: Debian's nginx, the very version whose configuration is tested against the real program in tests/deploy.
FROM debian:12.12-slim
RUN apt-get update \
  && apt-get install -y --no-install-recommends nginx \
  && rm -rf /var/lib/apt/lists/* \
  && install -d -o www-data -g www-data -m 0700 /var/lib/balancer \
  && ln -s /dev/stdout /var/lib/balancer/access.log \
  && ln -s /dev/stderr /var/lib/balancer/error.log
USER www-data:www-data
VOLUME /var/lib/balancer
EXPOSE 8080
# Requests in flight are served to their end.
STOPSIGNAL SIGQUIT
CMD ["nginx", "-e", "stderr", "-p", "/var/lib/balancer", "-c", "/etc/balancer/nginx.conf", "-g", "daemon off;"]
