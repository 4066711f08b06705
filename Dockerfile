# One image for every process of the Procfile; what a container is started with is the name of its process.
FROM python:3.11-slim
RUN useradd --system --create-home --home-dir /srv/portal portal
WORKDIR /srv/portal
COPY requirements.txt .
RUN pip install --no-cache-dir -r requirements.txt
COPY manage.py Procfile ./
COPY release_portal release_portal
COPY agreements agreements
COPY inference inference
RUN install -d -o portal /var/lib/portal
ENV PORTAL_HOME=/var/lib/portal PYTHONUNBUFFERED=1 DJANGO_SETTINGS_MODULE=release_portal.settings
USER portal
ENTRYPOINT ["python", "-m", "release_portal.lib.processes"]
