package main

import (
	"math/rand"
	"reflect"
	"strconv"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// filler fills an object with random values, from a seed. Lists and maps are short, and deep values
// are rarer than flat ones, so that an object stays small.
type filler struct {
	random *rand.Rand
}

func (f filler) one(chance float64) bool { return f.random.Float64() < chance }

func (f filler) pick(values ...string) string { return values[f.random.Intn(len(values))] }

func (f filler) text() string {
	switch f.random.Intn(12) {
	case 0:
		return ""
	case 1:
		return f.pick("<a href=\"x\">&", "tab\tand\nbreak", "käse 測試 \U0001f600", "\u2028\u2029", "back\\slash \"quoted\"", "\x00\x01\x1f\x7f", "not utf-8: \xff\xc3(")
	default:
		return "s" + strconv.Itoa(f.random.Intn(1000))
	}
}

func (f filler) json() []byte {
	return []byte(f.pick(`{"a":1,"b":{"c":[true,null,"x"]}}`, `"text"`, `12`, `-1.5`, `[]`, `{}`, `{"k":"<>&"}`, `false`))
}

func (f filler) time() time.Time {
	return time.Unix(f.random.Int63n(4e9)-1e9, f.random.Int63n(1e9)).UTC()
}

// special fills the types with a JSON form of their own.
func (f filler) special(v reflect.Value, depth int) bool {
	switch p := v.Addr().Interface().(type) {
	case *meta.Time:
		p.Time = f.time()
	case *meta.MicroTime:
		p.Time = f.time()
	case *apiresource.Quantity:
		*p = apiresource.MustParse(f.pick("0", "1", "1500m", "100m", "1Gi", "1536Mi", "0.5", "1e3", "12E6", "123456789123456789Ki", "5n", "-3Mi", "1.5Gi"))
	case *intstr.IntOrString:
		if f.one(0.5) {
			*p = intstr.FromInt32(int32(f.random.Intn(200) - 50))
		} else {
			*p = intstr.FromString(f.pick("25%", "http", ""))
		}
	case *runtime.RawExtension:
		p.Raw = f.json()
	case *meta.FieldsV1:
		p.Raw = []byte(f.pick(`{}`, `{"f:metadata":{"f:labels":{".":{},"f:a":{}}}}`))
	case *apiextensions.JSON:
		p.Raw = f.json()
	case *apiextensions.JSONSchemaPropsOrBool:
		if p.Allows = f.one(0.7); p.Allows && f.one(0.6) {
			p.Schema = &apiextensions.JSONSchemaProps{}
			f.fill(reflect.ValueOf(p.Schema).Elem(), depth+1)
		}
	case *apiextensions.JSONSchemaPropsOrArray:
		if f.one(0.5) {
			p.Schema = &apiextensions.JSONSchemaProps{}
			f.fill(reflect.ValueOf(p.Schema).Elem(), depth+1)
		} else {
			p.JSONSchemas = make([]apiextensions.JSONSchemaProps, 2)
			f.fill(reflect.ValueOf(&p.JSONSchemas[0]).Elem(), depth+1)
		}
	case *apiextensions.JSONSchemaPropsOrStringArray:
		if f.one(0.5) {
			p.Property = []string{f.text(), f.text()}
		} else {
			p.Schema = &apiextensions.JSONSchemaProps{}
			f.fill(reflect.ValueOf(p.Schema).Elem(), depth+1)
		}
	case *runtime.Object, *any:
	default:
		return false
	}
	return true
}

func (f filler) fill(v reflect.Value, depth int) {
	if f.special(v, depth) {
		return
	}
	// The chance that something optional is there.
	chance := 0.75
	for range depth {
		chance *= 0.86
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(f.one(0.5))
	case reflect.Int32:
		v.SetInt(int64([]int32{0, 0, 1, -1, 7, 80, 2147483647, -2147483648}[f.random.Intn(8)]))
	case reflect.Int64:
		v.SetInt([]int64{0, 0, 1, -1, 30, 9223372036854775807, -9223372036854775808}[f.random.Intn(7)])
	case reflect.Float64:
		v.SetFloat([]float64{0, 1, -1.5, 0.1, 1e-7, 1e21, 1.7976931348623157e308}[f.random.Intn(7)])
	case reflect.String:
		v.SetString(f.text())
	case reflect.Pointer:
		if f.one(chance) {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i), depth+1)
		}
	case reflect.Slice:
		if !f.one(chance) {
			return
		}
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(f.text()))
			return
		}
		length := 1 + f.random.Intn(2)*f.random.Intn(2)
		v.Set(reflect.MakeSlice(v.Type(), length, length))
		for i := range length {
			f.fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		if !f.one(chance) {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + f.random.Intn(2) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			key.SetString("k" + strconv.Itoa(f.random.Intn(100)))
			f.fill(value, depth+1)
			v.SetMapIndex(key, value)
		}
	}
}
