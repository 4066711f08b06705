from django.urls import path

from . import views

app_name = "jobs"
urlpatterns = [
    path("jobs/", views.job_list, name="list"),
    path("jobs/new/", views.new_job, name="new"),
    path("jobs/<uuid:pk>/", views.job, name="job"),
    path("jobs/<uuid:pk>/progress/", views.progress, name="progress"),
    path("jobs/<uuid:pk>/cancel/", views.cancel, name="cancel"),
    path("jobs/<uuid:pk>/texts.jsonl", views.texts_jsonl, name="texts_jsonl"),
    path("jobs/<uuid:pk>/texts.csv", views.texts_csv, name="texts_csv"),
    path("jobs/<uuid:pk>/texts.spreadsheet.csv", views.texts_spreadsheet, name="texts_spreadsheet"),
]
