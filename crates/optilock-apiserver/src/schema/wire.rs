//! The wire format of protobuf: reading with the errors of Go's generated decoders, and writing.

/// The bytes that a body of `application/vnd.kubernetes.protobuf` begins with.
pub(super) const MAGIC: &[u8] = b"k8s\0";

/// The wire types that Kubernetes uses.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Data<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

impl Data<'_> {
    /// Number of the wire type.
    pub(super) fn wire_type(&self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::Fixed32(_) => 5,
        }
    }
}

const TRUNCATED: &str = "unexpected EOF";

/// The fields of a message, one after the other. Groups, which nobody sends, are passed over.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Name of the message, for errors.
    message: &'a str,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], message: &'a str) -> Self {
        Self {
            rest: bytes,
            message,
        }
    }

    /// The next field: its number and data. `None` at the end.
    pub(super) fn field(&mut self) -> Result<Option<(u32, Data<'a>)>, String> {
        let mut groups = 0_usize;
        loop {
            if self.rest.is_empty() {
                return if groups == 0 {
                    Ok(None)
                } else {
                    Err(TRUNCATED.into())
                };
            }
            let key = self.varint()?;
            // The number has 32 bits; what is above is cut off, as Go does.
            let (number, wire_type) = ((key >> 3) as u32, key & 7);
            if number == 0 || number > i32::MAX as u32 {
                let message = self.message;
                let number = number as i32;
                return Err(format!(
                    "proto: {message}: illegal tag {number} (wire type {key})"
                ));
            }
            let data = match wire_type {
                0 => Data::Varint(self.varint()?),
                1 => Data::Fixed64(u64::from_le_bytes(self.array()?)),
                2 => Data::Bytes(self.bytes()?),
                3 => {
                    groups += 1;
                    continue;
                }
                4 if groups > 0 => {
                    groups -= 1;
                    continue;
                }
                4 => {
                    let message = self.message;
                    return Err(format!(
                        "proto: {message}: wiretype end group for non-group"
                    ));
                }
                5 => Data::Fixed32(u32::from_le_bytes(self.array()?)),
                other => return Err(format!("proto: illegal wireType {other}")),
            };
            if groups == 0 {
                return Ok(Some((number, data)));
            }
        }
    }

    /// The integers of a packed list.
    pub(super) fn packed(bytes: &'a [u8]) -> Result<Vec<u64>, String> {
        let mut reader = Self::new(bytes, "");
        let mut all = Vec::new();
        while !reader.rest.is_empty() {
            all.push(reader.varint()?);
        }
        Ok(all)
    }

    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.rest.split_first().ok_or(TRUNCATED)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("proto: integer overflow".into())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(*array)
    }

    fn bytes(&mut self) -> Result<&'a [u8], String> {
        let length = i64::try_from(self.varint()?)
            .map_err(|_| "proto: negative length found during unmarshaling")?;
        let length = usize::try_from(length).map_err(|_| TRUNCATED)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(TRUNCATED)?;
        self.rest = rest;
        Ok(bytes)
    }
}

/// Appends a field that is a varint. Negative integers are given in two's complement of 64 bits.
pub(crate) fn put_varint(number: u32, value: u64, out: &mut Vec<u8>) {
    varint(u64::from(number) << 3, out);
    varint(value, out);
}

/// Appends a field of eight bytes.
pub(crate) fn put_fixed64(number: u32, bits: u64, out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | 1, out);
    out.extend_from_slice(&bits.to_le_bytes());
}

/// Appends a field of text or bytes.
pub(crate) fn put_bytes(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    varint(u64::from(number) << 3 | 2, out);
    varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Appends a field that is a message, which `write` appends.
pub(crate) fn put_delimited(number: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    varint(u64::from(number) << 3 | 2, out);
    let start = out.len();
    write(out);
    // The length stands before the message and is known behind it.
    let end = out.len();
    varint((end - start) as u64, out);
    let length = out.len() - end;
    out[start..].rotate_right(length);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Result<Vec<(u32, Data<'_>)>, String> {
        let mut reader = Reader::new(bytes, "Pod");
        let mut fields = Vec::new();
        while let Some(field) = reader.field()? {
            fields.push(field);
        }
        Ok(fields)
    }

    #[test]
    fn fields_are_read() {
        assert_eq!(
            all(&[0x08, 0x96, 0x01, 0x12, 2, b'o', b'k', 0x1d, 1, 0, 0, 0]),
            Ok(vec![
                (1, Data::Varint(150)),
                (2, Data::Bytes(b"ok")),
                (3, Data::Fixed32(1))
            ])
        );
        // A group within a group.
        assert_eq!(
            all(&[0x0b, 0x13, 0x08, 1, 0x14, 0x0c, 0x08, 7]),
            Ok(vec![(1, Data::Varint(7))])
        );
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut out = Vec::new();
        put_varint(1, 150, &mut out);
        put_varint(200, u64::MAX, &mut out);
        put_fixed64(3, 7, &mut out);
        put_bytes(4, b"ok", &mut out);
        // Long enough for a length of two bytes.
        let long = [b'x'; 300];
        put_delimited(5, &mut out, |out| {
            put_delimited(1, out, |out| put_bytes(2, &long, out));
        });
        let fields = all(&out).expect("well formed");
        assert_eq!(
            fields[..4],
            [
                (1, Data::Varint(150)),
                (200, Data::Varint(u64::MAX)),
                (3, Data::Fixed64(7)),
                (4, Data::Bytes(b"ok"))
            ]
        );
        let (5, Data::Bytes(outer)) = fields[4] else {
            panic!("{fields:?}")
        };
        let (1, Data::Bytes(inner)) = all(outer).expect("well formed")[0] else {
            panic!("{outer:?}")
        };
        assert_eq!(all(inner), Ok(vec![(2, Data::Bytes(&long))]));
    }

    #[test]
    fn errors_are_gos() {
        for (bytes, expected) in [
            (&[0x08][..], "unexpected EOF"),
            (&[0x12, 5, 1], "unexpected EOF"),
            (&[0x0b, 0x08, 1], "unexpected EOF"),
            (&[0x00], "proto: Pod: illegal tag 0 (wire type 0)"),
            (&[0x0c], "proto: Pod: wiretype end group for non-group"),
            (&[0x0e], "proto: illegal wireType 6"),
            (&[0xff; 11], "proto: integer overflow"),
            (
                &[
                    0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
                ],
                "proto: negative length found during unmarshaling",
            ),
        ] {
            assert_eq!(all(bytes), Err(expected.to_owned()), "{bytes:?}");
        }
    }
}
