import time, subprocess, os, resource
from psycopg import sql
from tests.services import postgres as P
from domicile.sites.postgres import *
def test_x(postgres15, postgres18):
    src = P.fresh_database(postgres15)
    DDL="create table public.a(id int primary key, a text, b timestamptz, c bigint, d text)"
    with src.connect() as c:
        c.execute(DDL)
        c.execute("insert into public.a select i, md5(i::text), now(), i*7, md5(i::text)||'xx' from generate_series(1,1000000) i"); c.commit()
        c.autocommit=True; c.execute("vacuum analyze public.a"); c.execute("checkpoint")
    q=sql.SQL("SELECT * FROM public.a ORDER BY id").format()
    def us(fmt):
        home=P.fresh_database(postgres18)
        with src.connect() as s, home.connect() as h:
            h.execute(DDL.replace(" primary key",""))
            h.commit()
            t=time.perf_counter(); p=time.process_time()
            r=pipe(s,q,h,TableName("public","a"),["id","a","b","c","d"],fmt); h.commit()
            print("pipe",fmt,round(time.perf_counter()-t,2),"cpu",round(time.process_time()-p,2),r.size_bytes)
            for k in (fmt,):
                t=time.perf_counter(); r2=digest(h,q,k); print("digest home (sorts)",k,round(time.perf_counter()-t,2), r2==r)
                t=time.perf_counter(); r2=digest(s,q,k); print("digest src",k,round(time.perf_counter()-t,2), r2==r)
    def them():
        home=P.fresh_database(postgres18)
        with home.connect() as h: h.execute(DDL.replace(" primary key",""))
        t=time.perf_counter()
        b="/usr/lib/postgresql/15/bin/psql"
        env={**os.environ,"PGPASSWORD":postgres15.password}
        a=subprocess.Popen([b,"-X",src.config.url,"-c","COPY (SELECT * FROM public.a ORDER BY id) TO STDOUT"],stdout=subprocess.PIPE,env=env)
        z=subprocess.run([b,"-X","-q",home.config.url,"-c","COPY public.a FROM STDIN"],stdin=a.stdout,check=True); a.wait(); a.stdout.close()
        print("psql | psql", round(time.perf_counter()-t,2))
        t=time.perf_counter()
        a=subprocess.Popen([b,"-X",src.config.url,"-c","COPY (SELECT * FROM public.a ORDER BY id) TO STDOUT"],stdout=subprocess.PIPE,env=env)
        subprocess.run(["sha256sum"],stdin=a.stdout,stdout=subprocess.DEVNULL); a.wait(); a.stdout.close()
        print("psql | sha256sum", round(time.perf_counter()-t,2))
    for _ in range(3):
        us("binary"); us("text"); them()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024,"MiB")
