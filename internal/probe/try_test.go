package probe
import ("testing";"os";"encoding/json";"fmt")
func TestTry(t *testing.T){
 for _,x:=range []string{os.Getenv("T")} { tg,err:=ParseTarget(x); if err!=nil {t.Fatal(err)}
 r,err:=One(t.Context(),tg,Options{User:"root", UDP: os.Getenv("U")!=""}); b,_:=json.MarshalIndent(r,""," "); fmt.Println(string(b),err)}
}
