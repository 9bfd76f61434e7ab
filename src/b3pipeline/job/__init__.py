"""What the Glue job `refine` does beside its transforms: it travels with the script, as a zip.

`glue/refine_job.py` holds the lesson and the order of a run; here is what it leans on: which
sessions to read (`plan`), what a run is asked for (`work`), batches and their marks (`batches`),
the bucket and the catalog (`lakehouse`), objects (`objects`), what runs inside the tasks
(`bars`), and Spark itself (`spark`). On Glue there are PySpark, pyarrow and boto3: nothing
here imports more, nor any room of the package that does.
"""
