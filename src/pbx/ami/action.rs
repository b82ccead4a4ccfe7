//! Writes AMI actions.

/// Appends one action: name, id, then the fields in order.
///
/// Control characters of the values are left out: a line end in a value would begin a line, and so a
/// field or an action, of whoever wrote the value.
pub(super) fn write(output: &mut Vec<u8>, name: &str, id: &str, fields: &[(&str, &str)]) {
    for (key, value) in [("Action", name), ("ActionID", id)].iter().chain(fields) {
        output.extend_from_slice(key.as_bytes());
        output.extend_from_slice(b": ");
        output.extend(value.bytes().filter(|byte| !byte.is_ascii_control()));
        output.extend_from_slice(b"\r\n");
    }
    output.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_begin_a_line() {
        let mut output = Vec::new();
        let channel = "PJSIP/1\r\nAction: Originate\r\n\r\n";
        write(&mut output, "Getvar", "7", &[("Channel", channel), ("Variable", "X\0\n")]);
        let expected =
            "Action: Getvar\r\nActionID: 7\r\nChannel: PJSIP/1Action: Originate\r\nVariable: X\r\n\r\n";
        assert_eq!(String::from_utf8(output).unwrap(), expected);
    }
}
