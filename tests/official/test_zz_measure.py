import numpy as np, pytest
from helios_world.batch import opener, step_together
from helios_world.spec import Action
SMALL={"height":64,"width":64,"text_tokens":64,"history":(4,2,1),"latents_per_chunk":2,"untrained":True}
KINDS={"base":{"steps":3,"guidance":3.0},"mid":{"steps":(1,1,2),"guidance":3.0},"distilled":{"steps":(1,1,1)}}
@pytest.mark.parametrize("dtype",["float32","bfloat16"])
@pytest.mark.parametrize("kind",KINDS)
def test_m(make_official,kind,dtype):
    begin=opener(str(make_official(kind)),device="cpu",dtype=dtype,**SMALL,**KINDS[kind])
    ws=[begin() for _ in range(4)]
    for i,w in enumerate(ws): w.reset(seed=i,prompt=f"p {i}")
    tw=[w.fork() for w in ws]
    out=[]
    for k in range(5):
        a=[Action({"forward"})]*4
        made=step_together(ws,a,[None]*4)
        out.append(max(int(np.abs(m.frames.astype(int)-t.step(x).frames).max()) for m,t,x in zip(made,tw,a)))
    print("DIFF",kind,dtype,out)
